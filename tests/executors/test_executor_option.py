"""`--executor ray` where it cannot be."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support import nnlint

from nnlint.executors.executor import ExecutorError
from nnlint.executors.ray_cluster import cluster, running_here


def test_without_ray_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    (tmp_path / "ray.py").write_text("raise ImportError", encoding="utf-8")
    done = nnlint("run", "--executor", "ray", "train.py", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [b"nnlint: --executor ray needs Ray: pip install 'nnlint[ray]'"]


@pytest.mark.parametrize("option", [("--nproc-per-node", "2"), ("--against", "train.py")])
def test_what_needs_one_machine_is_refused(option: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    done = nnlint("run", "--executor", "ray", *option, "train.py", cwd=tmp_path)
    assert done.returncode == 2
    assert b"--executor ray goes with none of" in done.stderr


def test_an_address_where_no_cluster_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        # Nobody listens there.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        why = rf"no Ray cluster at RAY_ADDRESS={address}: ConnectionRefusedError"
        with pytest.raises(ExecutorError, match=why), cluster(cpu=True, verbose=False):
            pass


def test_a_cluster_that_was_killed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "ray" / "ray_current_cluster").write_text(address, encoding="utf-8")
        assert running_here() == ""
        taken.listen()
        assert running_here() == address
