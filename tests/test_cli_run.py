"""`nnlint run` from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from support import SLEEP, nnlint, ran, sleeping

DEAD = """
import sys
import torch
assert sys.argv[1:] == ["--rate", "1e-12"], sys.argv
net = torch.nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=float(sys.argv[2])){comment}
for step in range(5):
    opt.zero_grad()
    net(torch.randn(8, 3)).pow(2).mean().backward()
    opt.step()
"""


def _write(folder: Path, comment: str = "") -> Path:
    script = folder / "train.py"
    script.write_text(DEAD.format(comment=comment))
    return script


def test_findings_of_the_run_stand_at_the_users_line(tmp_path: Path) -> None:
    _write(tmp_path)
    done = nnlint("run", "--output-format", "json", "train.py", "--rate", "1e-12", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    (finding,) = report["findings"]
    assert (finding["name"], finding["tier"], finding["filename"]) == (
        "dead-update",
        "experiment",
        "train.py",
    )
    assert finding["location"] == {"row": 6, "column": 1}
    assert finding["evidence"]["lr"] == 1e-12
    assert report["not_run"] == []


def test_a_comment_silences_a_finding_of_the_run_and_counts_as_used(tmp_path: Path) -> None:
    script = _write(tmp_path, "  # nnlint: ignore[NNL319] it is about the rate")
    done = ran("run", "train.py", "--rate", "1e-12", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    # From the source alone nobody can say that the comment is of no use.
    assert ran(str(script), cwd=tmp_path).returncode == 0


def test_what_could_not_be_examined_is_status_2_with_the_end_of_the_output(tmp_path: Path) -> None:
    _write(tmp_path)
    done = ran("run", "train.py", cwd=tmp_path)
    assert done.returncode == 2
    assert b"AssertionError" in done.stdout
    assert b"before its first training step" in done.stdout
    assert b"The end of what the script printed" in done.stderr


def test_the_source_of_a_module_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    source = "from torch.nn import functional as F\ndef probabilities(x):\n    return F.softmax(x)\n"
    for name in ("train", "__main__"):
        (tmp_path / "package" / f"{name}.py").write_text(source)
    for module, name in (("package.train", "train"), ("package", "__main__")):
        done = ran("run", "-m", module, cwd=tmp_path)
        assert done.returncode == 2
        assert f"package/{name}.py:3:".encode() in done.stdout
        assert b"No Python files" not in done.stdout


def test_wrong_requests_are_one_line(tmp_path: Path) -> None:
    for arguments, why in (
        (("run", "nowhere.py"), b"nowhere.py: no such file"),
        (("run",), b"give a SCRIPT, or -m MODULE"),
        (("run", "-m", "no.such.module"), b"no.such.module"),
        (("run", "--budget", "0", "x.py"), b"--budget"),
    ):
        done = ran(*arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert why in done.stdout + done.stderr
        assert b"Traceback" not in done.stdout + done.stderr


def test_ctrl_c_ends_the_script_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(f"import subprocess\nsubprocess.run({SLEEP})\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "nnlint", "run", "--budget", "600", "train.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    deadline = time.monotonic() + 120
    while not sleeping():
        assert time.monotonic() < deadline, "the script has not started"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.endswith(b"nnlint: interrupted\n")
    deadline = time.monotonic() + 60
    while sleeping():
        assert time.monotonic() < deadline, "the script lives on"
        time.sleep(0.1)
