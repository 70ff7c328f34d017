"""A process that is killed at any moment leaves each file old or new, never in between."""

from __future__ import annotations

import ast
import os
import signal
import stat
from pathlib import Path

import pytest
from support import CHECKOUT, python

from nnlint import atomic
from nnlint.config import Config
from nnlint.engine import Linter

# A process that kills itself at the nth of the calls by which a file is written.
KILLED = """
import os, pathlib, signal, sys, tempfile

left = int(sys.argv.pop(1))

def counted(call):
    def instead(*args, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **options)
    return instead

os.fsync, os.replace, os.rename = map(counted, (os.fsync, os.replace, os.rename))
tempfile.mkstemp = counted(tempfile.mkstemp)
pathlib.Path.replace = counted(pathlib.Path.replace)
pathlib.Path.chmod = counted(pathlib.Path.chmod)
pathlib.Path.write_text = counted(pathlib.Path.write_text)
pathlib.Path.write_bytes = counted(pathlib.Path.write_bytes)

{action}
"""
COMMAND = "from nnlint.__main__ import main\nmain()"
REPORT = """
from pathlib import Path
from nnlint import cli_shown
from nnlint.capture.supervise import Capture
from nnlint.finding import Report
cli_shown._page(Path(sys.argv[1]), Report(), Capture())
"""
BUGGY = "import torch\n\nnet = torch.nn.Linear(2, 2)\nnet.eval\n"
# More calls than any of these needs, so that the last run is not killed.
MOMENTS = 9


def _killed_at(moment: int, action: str, *arguments: str, folder: Path) -> bool:
    """Whether the process was killed before it was done."""
    done = python(
        "-c",
        KILLED.format(action=action),
        str(moment),
        *arguments,
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT)},
    )
    if done.returncode != -signal.SIGKILL:
        assert done.returncode in (0, 1), done.stderr.decode()
    return done.returncode == -signal.SIGKILL


def _leftovers(folder: Path, *known: str) -> list[Path]:
    found = [path for path in folder.iterdir() if path.name not in known]
    assert all(path.name.startswith(".") and path.name.endswith(".nnlint") for path in found), found
    return found


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("action", "arguments", "name", "old", "new"),
    [
        (COMMAND, ("--isolated", "--no-cache", "--fix", "a.py"), "a.py", BUGGY, "net.eval()"),
        (
            COMMAND,
            ("--isolated", "--no-cache", "--add-ignores", "a.py"),
            "a.py",
            BUGGY,
            "# nnlint: ignore[NNL309]",
        ),
        (
            COMMAND,
            ("baseline", "--isolated", "--output", "known.json", "a.py"),
            "known.json",
            "old",
            '"a.py"',
        ),
        (REPORT, ("report.html",), "report.html", "old", "</html>"),
    ],
    ids=["--fix", "--add-ignores", "baseline", "--report"],
)
def test_a_file_is_old_or_new(
    action: str, arguments: tuple[str, ...], name: str, old: str, new: str, tmp_path: Path
) -> None:
    if action is REPORT:
        pytest.importorskip("matplotlib")
    kills = 0
    for moment in range(MOMENTS):
        (tmp_path / "a.py").write_text(BUGGY, encoding="utf-8")
        (tmp_path / name).write_text(old, encoding="utf-8")
        killed = _killed_at(moment, action, *arguments, folder=tmp_path)
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text == old if killed and new not in text else new in text
        # What a killed process leaves is hidden, its own, and no Python that anybody would check.
        left = _leftovers(tmp_path, "a.py", name)
        assert killed or not left
        assert Linter.load(Config()).check([tmp_path]).files == 1
        for path in left:
            path.unlink()
        kills += killed
        if not killed:
            break
    assert kills >= 3, "the test kills where a file is written"
    assert not killed


def test_whatever_is_written_for_people_is_written_so() -> None:
    own = {"atomic.py", "cache.py"}  # The cache keeps its folder's lock while it does the same.
    found = [
        f"{path.name}:{node.lineno}"
        for path in (CHECKOUT / "nnlint").rglob("*.py")
        # What runs in a shelter, or in a folder of its own, writes nothing that stays.
        if path.name not in own and not {"capture", "executors"}.intersection(path.parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _writes(node)
    ]
    assert found == []


def _writes(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("write_text", "write_bytes"):
        return True
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    texts = [
        node.value
        for node in [*call.args, *(word.value for word in call.keywords)]
        if isinstance(node, ast.Constant)
    ]
    return name == "open" and any(
        isinstance(text, str) and set(text) & set("wax+") and len(text) < 4 for text in texts
    )


@pytest.mark.parametrize("code", ["p.write_text(t)", "open(p, 'w')", "p.open('ab')", "open(p, mode='x')"])
def test_the_test_above_can_fail(code: str) -> None:
    (statement,) = ast.parse(code).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    assert _writes(statement.value)


def test_permissions_stay_and_a_new_file_has_the_usual_ones(tmp_path: Path) -> None:
    old, new, plain = tmp_path / "old", tmp_path / "new", tmp_path / "plain"
    old.write_text("1")
    old.chmod(0o640)
    plain.write_text("1")
    for path in (old, new):
        atomic.write(path, b"2")
        assert path.read_bytes() == b"2"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == plain.stat().st_mode
    assert _leftovers(tmp_path, "old", "new", "plain") == []


@pytest.mark.skipif(os.name != "posix", reason="links and devices are otherwise elsewhere")
def test_links_stay_links_and_devices_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("1")
    (tmp_path / "link").symlink_to("real")
    atomic.write(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "2"
    atomic.write(Path(os.devnull), b"3")
    assert not Path(os.devnull).is_file()


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(tmp_path / "a", b"new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
