"""NetDebugger's bugs in small networks on small data, found by the experiments named after its tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import CHECKOUT

from nnlint.capture.plan import Request
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.finding import Severity

SCRIPT = CHECKOUT / "benchmarks" / "small_polymers.py"
LINTER = Linter.load(Config(select=("NNL105", "NNL901", "NNL902", "NNL903", "NNL904")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "seed", "expected"),
    [
        ("", 0, set()),
        ("", 1, set()),
        ("shape", 0, {"loss-broadcast"}),
        ("input", 0, {"input-independent-baseline"}),
        ("rate", 0, {"overfit-small-batch"}),
        ("mixing", 0, {"chart-dependencies"}),
    ],
)
def test_each_bug_is_found_and_none_where_there_is_none(
    bug: str, seed: int, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = Request(str(SCRIPT), ("--bug", bug, "--seed", str(seed)), seconds=240.0)
    report, seen = examine(LINTER, request)
    assert report.not_run == (), seen.output
    found = {finding.name for finding in report.findings if finding.severity is not Severity.INFO}
    assert found == expected, report.skipped
