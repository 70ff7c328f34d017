"""Nothing that a script writes, renames or deletes stays, and the script itself finds all of it."""

from __future__ import annotations

import hashlib
import select
import socket
import tempfile
from pathlib import Path

import pytest

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import capture

# What a training loop looks like around the lines that write; continuations run it side by side.
LOOP = """
import os, shutil, sqlite3, subprocess, sys, tempfile
from pathlib import Path
import numpy, torch
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
here = Path(__file__).resolve().parent
for step in range(4):
    optimizer.zero_grad()
    model(torch.randn(8, 3)).pow(2).mean().backward()
    optimizer.step(){way}
print("all was found again")
sys.exit(7)
"""

WRITES = {
    "open": """
    with open(here / "log.txt", "a") as log:
        log.write(f"{step}")
    assert (here / "log.txt").read_text().endswith(f"{step}")""",
    "overwrite": """
    (here / "kept.txt").write_text("other")
    assert (here / "kept.txt").read_text() == "other\"""",
    "torch.save": """
    torch.save(model.state_dict(), here / "model.pt")
    assert sorted(torch.load(here / "model.pt")) == ["bias", "weight"]""",
    "numpy": """
    numpy.save(here / "losses.npy", numpy.arange(step + 1))
    assert len(numpy.load(here / "losses.npy")) == step + 1""",
    "remove": """
    if (here / "kept.txt").exists():
        os.remove(here / "kept.txt")
    assert not (here / "kept.txt").exists()""",
    "rmtree": """
    shutil.rmtree(here / "folder", ignore_errors=True)
    os.makedirs(here / "folder")
    assert os.listdir(here / "folder") == []""",
    "rename": """
    if (here / "kept.txt").exists():
        os.rename(here / "kept.txt", here / "moved.txt")
    assert (here / "moved.txt").read_text() == "kept\"""",
    "sqlite3": """
    with sqlite3.connect(here / "runs.db") as base:
        base.execute("create table if not exists loss (value)")
        base.execute("insert into loss values (1)")
        assert base.execute("select count(*) from loss").fetchone() == (step + 1,)""",
    "subprocess": """
    subprocess.run(["sh", "-c", "echo more >> kept.txt; rm -rf folder; touch made"], check=True, cwd=here)
    assert (here / "made").exists() and not (here / "folder").exists()""",
    "chmod": """
    os.chmod(here / "kept.txt", 0o600)
    os.symlink(here / "kept.txt", here / f"link{step}")""",
    "home and temporary files": """
    (Path.home() / "nnlint-was-here").write_text("x")
    (Path(tempfile.gettempdir()) / "nnlint-was-here").write_text("x")
    (Path("/dev/shm") / "nnlint-was-here").write_text("x")""",
}
# Compiled libraries are redirected as they are imported, which they have been in a warm process.
LIBRARIES = "what libraries write, in a fresh process"
WRITES[LIBRARIES] = "".join(
    WRITES[way] for way in ("open", "torch.save", "numpy", "sqlite3", "home and temporary files")
)


# All that the script does after its first step.
REST = Continuation("rest", "none", 100, 100)


def _state(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Every path below a folder with its content's hash, mode and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        status = path.lstat()
        found[str(path)] = (content, status.st_mode, status.st_mtime_ns)
    return found


# What the fallbacks do not give to the script, though they keep it from changing anything.
WITHOUT = {"landlock": {"subprocess"}, "audit": {"subprocess"}, "namespaces": set()}


@pytest.mark.parametrize("shelter", WITHOUT)
@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=[pytest.mark.afresh] if way == LIBRARIES else []) for way in WRITES],
)
def test_a_run_leaves_every_file_as_it_was(way: str, shelter: str, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.txt").write_text("inner")
    script = tmp_path / "train.py"
    script.write_text(LOOP.format(way=WRITES[way]))
    before = _state(tmp_path)
    seen = capture(Request(str(script), shelter=shelter))
    assert seen.shelter == shelter
    if way not in WITHOUT[shelter]:
        assert seen.first_step is not None, (seen.not_run, seen.output)
        assert "Error" not in seen.output, seen.output
    assert _state(tmp_path) == before
    for folder in (Path.home(), Path(tempfile.gettempdir()), Path("/dev/shm")):
        assert not (folder / "nnlint-was-here").exists()


# What reports elsewhere is told to do so in every way that a script has.
TRACKED = """
import os
os.environ["WANDB_MODE"], os.environ["MLFLOW_TRACKING_URI"] = "online", "{address}"
import mlflow, pandas, torch, wandb
from torch.utils.tensorboard import SummaryWriter
mlflow.set_tracking_uri("{address}")
mlflow.set_experiment("trial")
mlflow.start_run()
mlflow.log_params({{"rate": 0.1}})
wandb.login(key="k" * 40)
wandb.init(project="trial", mode="online", dir="wandb-here")
writer, losses = SummaryWriter(), []
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    optimizer.zero_grad()
    loss = model(torch.randn(8, 3)).pow(2).mean()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    writer.add_scalar("loss", loss.item(), step)
    writer.flush()
    wandb.log({{"loss": loss.item()}})
    mlflow.log_metric("loss", loss.item(), step)
    table = pandas.DataFrame({{"loss": losses}})
    table.to_csv("losses.csv", index=False)
    table.to_pickle("losses.pkl")
    assert pandas.read_csv("losses.csv").loss.size == pandas.read_pickle("losses.pkl").loss.size == step + 1
torch.save(model.state_dict(), "model.pt")
mlflow.log_artifact("model.pt")
wandb.save("model.pt")
(run,) = mlflow.MlflowClient("{address}").search_runs([mlflow.get_experiment_by_name("trial").experiment_id])
assert run.data.params == {{"rate": "0.1"}} and run.data.metrics["loss"] == losses[-1]
assert any(name.startswith("events.out") for _, _, names in os.walk("runs") for name in names)
mlflow.end_run()
raise SystemExit("all was found again")
"""


# Importing them takes seconds: not in all three shelters, of which two redirect alike.
@pytest.mark.afresh
@pytest.mark.parametrize("shelter", ["namespaces", "landlock"])
def test_tables_and_trackers_leave_nothing_and_tell_nobody(
    shelter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("home", "temporary", "project"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "project")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        Path("train.py").write_text(TRACKED.format(address=address))
        before = _state(tmp_path / "project")
        seen = capture(Request("train.py", shelter=shelter, seconds=120), [REST])
        assert _state(tmp_path / "project") == before
        assert _state(tmp_path / "home") == _state(tmp_path / "temporary") == {}
        assert select.select([server], [], [], 0)[0] == []
    assert seen.shelter == shelter
    assert seen.first_step is not None, (seen.not_run, seen.output)
    assert len(seen.trajectories["rest"].steps) == 4, seen.output
    assert seen.trajectories["rest"].ended == "the script exited with status all was found again"
