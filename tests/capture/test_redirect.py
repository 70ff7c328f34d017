"""Under redirection, Python code sees what it would see if it really wrote; nothing is written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support import python

# Random calls on a small tree; every result, and every exception's class and file name, is logged.
CALLS = r"""
import glob, io, json, os, pathlib, random, shutil, sys, tempfile

redirected, seed, here = sys.argv[1] == "redirected", int(sys.argv[2]), sys.argv[3]
if redirected:
    from nnlint.capture.shelter.audit_hook import refuse_changes
    from nnlint.capture.shelter.layers import Layers
    from nnlint.capture.shelter.redirect import Redirection

    layers = Layers(sys.argv[4])
    Redirection(layers).install()
    refuse_changes(layers, programs=False)
os.chdir(here)
rng = random.Random(seed)
NAMES = [
    "a.txt",
    "b.txt",
    "folder",
    "folder/inner.txt",
    "folder/deep",
    "folder/deep/x",
    "link",
    "linked",
    "new",
    "new/y",
]
log = []


def some():
    name = rng.choice(NAMES)
    shape = rng.randrange(4)
    if shape == 0:
        return os.path.join(here, name)
    if shape == 1:
        return pathlib.Path(name)
    return os.fsencode(name) if shape == 2 else name


def write(path, mode):
    with open(path, mode) as file:
        file.write("w" if "b" not in mode else b"w")
        return os.fspath(file.name)


def edit(path):
    with open(path, "r+") as file:
        file.seek(1)
        file.write("E")


def raw(path):
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.write(number, b"raw")
        return os.fstat(number).st_size
    finally:
        os.close(number)


def entries(path):
    with os.scandir(path) as found:
        return sorted(
            (os.fsdecode(e.name), os.fsdecode(e.path), e.is_dir(), e.is_file(), e.is_symlink())
            for e in found
        )


def temporary(path):
    with tempfile.NamedTemporaryFile("w+", dir=os.fsdecode(path), suffix=".t") as file:
        file.write("t")
        file.flush()
        return os.path.exists(file.name), pathlib.Path(file.name).read_text()


def walk():
    return sorted((top, sorted(folders), sorted(files)) for top, folders, files in os.walk(here))


ACTIONS = [
    lambda: write(some(), "w"),
    lambda: write(some(), "a"),
    lambda: write(some(), "x"),
    lambda: write(some(), "wb"),
    lambda: edit(some()),
    lambda: raw(some()),
    lambda: open(some()).read(),
    lambda: pathlib.Path(os.fsdecode(some())).read_text(),
    lambda: os.remove(some()),
    lambda: os.rmdir(some()),
    lambda: os.mkdir(some()),
    lambda: os.makedirs(some(), exist_ok=True),
    lambda: os.rename(some(), some()),
    lambda: os.replace(some(), some()),
    lambda: shutil.rmtree(some()),
    lambda: shutil.copy(os.fsdecode(some()), os.fsdecode(some())),
    lambda: shutil.copytree(os.fsdecode(some()), os.fsdecode(some())),
    lambda: shutil.move(os.fsdecode(some()), os.fsdecode(some())),
    lambda: os.symlink(rng.choice(["a.txt", "folder", "../nowhere"]), some()),
    lambda: os.readlink(some()),
    lambda: os.truncate(some(), 1),
    lambda: os.chmod(some(), 0o640),
    lambda: os.utime(some(), (5, 5)),
    lambda: [
        oct(os.stat(some()).st_mode),
        os.path.exists(some()),
        os.path.isdir(some()),
        os.path.islink(some()),
        os.access(some(), os.R_OK),
    ],
    lambda: sorted(os.fsdecode(name) for name in os.listdir(some())),
    lambda: entries(some()),
    lambda: sorted(glob.glob("**", recursive=True)),
    lambda: temporary(some()),
    lambda: os.path.realpath(some()),
    lambda: walk(),
    lambda: os.link(some(), some()),
    lambda: [os.chdir(some()), os.getcwd(), sorted(os.listdir()), os.chdir(here)],
    lambda: pathlib.Path("touched").touch(),
    lambda: sorted(str(p) for p in pathlib.Path(here).rglob("*.txt")),
]


def described(value):
    if isinstance(value, (list, tuple)):
        return [described(entry) for entry in value]
    return os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else value


for turn in range(60):
    number = rng.randrange(len(ACTIONS))
    try:
        result = described(ACTIONS[number]())
    except (OSError, shutil.Error) as error:
        name = error.filename
        # Why a tree cannot be removed depends on the version of shutil.
        name, result = error.filename, [type(error).__name__ if number != 14 else "failed"]
        if redirected and isinstance(name, (str, bytes)) and sys.argv[4] in os.fsdecode(name):
            result.append(os.fsdecode(name))
    os.chdir(here)
    log.append([number, result])
log.append(walk())
print(json.dumps(log).replace(os.path.realpath(here), "HERE").replace(here, "HERE"))
"""


def _tree(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("first")
    (folder / "b.txt").write_text("second")
    (folder / "folder" / "deep").mkdir(parents=True)
    (folder / "folder" / "inner.txt").write_text("inner")
    (folder / "folder" / "deep" / "x").write_text("x")
    (folder / "link").symlink_to("a.txt")
    (folder / "linked").symlink_to("folder")
    return folder


def _state(folder: Path) -> dict[str, tuple[str, int, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("seed", range(6))
def test_random_calls_give_what_they_would_give(seed: int, tmp_path: Path) -> None:
    script = tmp_path / "calls.py"
    script.write_text(CALLS)
    really, shown = _tree(tmp_path / "really"), _tree(tmp_path / "shown")
    before = _state(shown)
    arguments = [str(script), "{}", str(seed), "{}", str(tmp_path / "scratch")]
    logs = []
    for way, folder in (("really", really), ("redirected", shown)):
        done = python(arguments[0], way, arguments[2], str(folder), arguments[4], cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        logs.append(json.loads(done.stdout))
    for turn, (expected, found) in enumerate(zip(*logs, strict=True)):
        assert found == expected, turn
    assert _state(shown) == before
