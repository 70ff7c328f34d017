"""The plugin in the real flake8, found by its entry point."""

from __future__ import annotations

from pathlib import Path

from support import python

SCRIPT = 'import torch\nfrom torch import nn\n\nnet = nn.Linear(2, 2)\nname = "é"; net.eval\nnet.train\n'


def _flake8(*args: str, cwd: Path, stdin: bytes = b"") -> str:
    done = python("-m", "flake8", *args, cwd=cwd, stdin=stdin)
    assert done.stderr == b""
    return done.stdout.decode()


def test_flake8_reports_our_findings_with_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SCRIPT, encoding="utf-8")
    lines = _flake8("a.py", cwd=tmp_path).splitlines()
    assert [line.split(" ")[:2] for line in lines] == [
        ["a.py:1:1:", "F401"],
        ["a.py:5:11:", "E702"],
        ["a.py:5:13:", "NNL309"],
        ["a.py:6:1:", "NNL309"],
    ]
    assert "`net.eval`" in lines[2]


def test_flake8_selects_and_ignores_our_codes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SCRIPT.replace("net.train", "net.train  # noqa: NNL309"), encoding="utf-8")
    assert _flake8("--select", "NNL", "a.py", cwd=tmp_path).startswith("a.py:5:13: NNL309 ")
    assert _flake8("--select", "NNL", "a.py", cwd=tmp_path).count("\n") == 1
    assert "NNL" not in _flake8("--extend-ignore", "NNL309", "a.py", cwd=tmp_path)
    assert "<stdin>" in _flake8(
        "--select", "NNL", "--stdin-display-name", "<stdin>", "-", cwd=tmp_path, stdin=SCRIPT.encode()
    )


def test_the_settings_of_nnlint_hold(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "nnlint.toml").write_text('ignore = ["NNL309"]\n')
    assert "NNL" not in _flake8("a.py", cwd=tmp_path)
