"""A script finds around it what `python SCRIPT` and `python -m` give it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import python

from nnlint.capture.plan import Request
from nnlint.capture.supervise import capture

# Starts a process of its own behind the usual guard, and goes elsewhere, as some libraries do for a script.
SHOWS = '''
"""What is around."""
import __main__, inspect, json, multiprocessing, os, pickle, sys
from importlib.util import find_spec

class Kept:
    pass

def double(x):
    return 2 * x

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled = pool.map(double, [1, 2])
    shown = {
        "folder": os.getcwd(), "path": sys.path, "arguments": sys.argv, "doubled": doubled,
        "main": __main__.__dict__ is globals(), "kept": type(pickle.loads(pickle.dumps(Kept()))) is Kept,
        "found": [name for name in ("beside", "below", "nowhere") if find_spec(name)],
        "names": {name: repr(globals()[name]).split(" at ")[0] for name in dir() if name.startswith("__")},
    }
    os.chdir("/")
    print("SHOWN", json.dumps([shown, os.path.exists(__file__), inspect.getsource(double)]))
'''


def _shown(output: str) -> list[object]:
    line = next(line for line in output.splitlines() if line.startswith("SHOWN "))
    found: list[object] = json.loads(line.removeprefix("SHOWN "))
    return found


@pytest.mark.afresh
@pytest.mark.parametrize("module", [False, True], ids=["a file", "a module"])
def test_what_is_around_a_script(module: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name in ("__init__.py", "below.py", "train.py", "../beside.py"):
        (package / name).write_text("")
    (package / "train.py").write_text(SHOWS + ("    from . import below\n" if module else ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    target = "package.train" if module else "package/train.py"
    plain = python(*(("-m",) if module else ()), target, "--rate", "0.1", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    seen = capture(Request(target, ("--rate", "0.1"), module=module))
    assert seen.not_run[0].why.startswith("the script ended before its first training step"), seen.output
    (expected, *others), (found, *found_others) = _shown(plain.stdout.decode()), _shown(seen.output)
    for name, value in expected.items():  # type: ignore[attr-defined]
        assert found[name] == value, name  # type: ignore[index]
    assert others == found_others
