"""Two runs say the same, in the same order, to the byte; only times differ."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import CHECKOUT, nnlint

FIXTURES = CHECKOUT / "fixtures"
# Those of different kinds: a loader and dropout, a loop without a loader, two optimizers.
RUN = ("fixtures/buggy/lm_clip_after_step.py", "fixtures/clean/lbfgs_closure.py")


def _json(arguments: Sequence[str], folder: Path, hash_seed: str) -> bytes:
    command, *rest = arguments
    options = ("--output-format", "json")
    words = (command, *options, *rest) if command == "run" else (*options, *arguments)
    done = nnlint(*words, cwd=folder, env={"PYTHONHASHSEED": hash_seed})
    # 2: on a busy machine some experiment finds no time; then both say so.
    assert done.returncode in (0, 1, 2), done.stderr.decode()
    assert b'"findings"' in done.stdout
    return re.sub(rb'"seconds": [\d.e-]+', b'"seconds": 0', done.stdout)


def test_linting_says_the_same_to_the_byte_whatever_the_hash_seed() -> None:
    paths = [str(path.relative_to(CHECKOUT)) for path in sorted(FIXTURES.glob("buggy/*.py"))]
    arguments = ["--isolated", "--no-cache", "--select", "ALL", *paths]
    said = {_json(arguments, CHECKOUT, seed) for seed in ("0", "1", "271828")}
    assert len(said) == 1
    assert len(json.loads(said.pop())["findings"]) > len(paths)


@pytest.mark.slow
@pytest.mark.parametrize("script", RUN)
def test_running_says_the_same_to_the_byte_whatever_the_hash_seed(script: str) -> None:
    pytest.importorskip("torch")
    first, second = (_json(["run", "--isolated", script], CHECKOUT, seed) for seed in ("0", "1"))
    assert first == second
