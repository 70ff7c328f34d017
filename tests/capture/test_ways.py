"""Each way of writing that Python has leaves no trace in any shelter; no audit event is forgotten."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from audit_events import events, kind
from support import CHECKOUT, python
from ways_of_writing import NATIVE, PROGRAMS, WAYS

from nnlint.capture.shelter.ways import AUDIT, LANDLOCK, NAMESPACES

REALLY = "really"
TRIED = """
import json, os, sys
from pathlib import Path

wanted, root, left_out = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
from ways_of_writing import BEFORE, WAYS

if wanted != "really":
    from nnlint.capture.shelter.ways import ShelterError, enter
    try:
        enter(wanted, (Path(root),), 0)
    except ShelterError as error:
        sys.exit(f"not here: {error}")
space = {}
exec(BEFORE, space)
errors, now = {}, ""

def hook(event, arguments):
    # By a descriptor, which processes that are forked have, too.
    if now and (event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        os.write(log, f"{event}\\t{now}\\n".encode())

if wanted == "really":
    log = os.open(root + ".events", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.addaudithook(hook)
for name, code in WAYS.items():
    if name in left_out:
        continue
    os.chdir(os.path.join(root, name))
    now = name
    try:
        exec(code, dict(space))
    except BaseException as error:
        errors[name] = f"{type(error).__name__}: {error}"
    now = ""
print("\\n" + json.dumps(errors))
"""


@dataclass(frozen=True)
class Tried:
    """What became of all ways: the events that each raised, its error, and those that left a trace."""

    raised: dict[str, list[str]]
    errors: dict[str, str]
    traces: set[str]


def _state(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        kept = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_nlink)
        found[str(path)] = (content, kept, sorted(_attributes(path)))
    return found


def _attributes(path: Path) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []


def _try(shelter: str, root: Path, left_out: set[str]) -> Tried:
    import zipfile

    for name in WAYS:
        folder = root / name
        for inner in ("folder", "empty"):
            (folder / inner).mkdir(parents=True)
        (folder / "kept.txt").write_text("kept\n")
        (folder / "folder" / "inner.txt").write_text("inner")
        (folder / "module.py").write_text("x = 1\n")
        with zipfile.ZipFile(folder / "kept.zip", "w") as archive:
            archive.writestr("inner.txt", "inner")
        if XATTRS:
            os.setxattr(folder / "kept.txt", "user.kept", b"x")
    before = {name: _state(root / name) for name in WAYS}
    done = python(
        "-c",
        TRIED,
        shelter,
        str(root),
        json.dumps(sorted(left_out)),
        cwd=root,
        env={"PYTHONPATH": os.pathsep.join([str(CHECKOUT / "tests" / "capture"), str(CHECKOUT)])},
    )
    if b"not here: " in done.stderr:
        pytest.skip(done.stderr.decode())
    assert done.returncode == 0, done.stderr.decode()
    errors = json.loads(done.stdout.splitlines()[-1])
    raised: defaultdict[str, list[str]] = defaultdict(list)
    log = root.with_name(f"{root.name}.events")
    for line in log.read_text().splitlines() if log.exists() else ():
        event, way = line.split("\t")
        raised[event].append(way)
    return Tried(raised, errors, {name for name in WAYS if _state(root / name) != before[name]})


def _has_attributes() -> bool:
    try:
        os.setxattr(__file__, "user.nnlint", b"x")
        os.removexattr(__file__, "user.nnlint")
    except OSError:
        return False
    return True


XATTRS = hasattr(os, "setxattr") and _has_attributes()
# What cannot be done here at all, in no shelter and without one.
IMPOSSIBLE = {
    *(() if XATTRS else ("os.setxattr", "os.removexattr")),
    *(() if hasattr(os, "geteuid") and os.geteuid() == 0 else (name for name in WAYS if "chown" in name)),
}


@pytest.fixture(scope="module")
def really(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    return _try(REALLY, tmp_path_factory.mktemp("really"), IMPOSSIBLE)


def test_each_way_is_one(really: Tried) -> None:
    assert really.errors == {}
    assert set(WAYS) - really.traces == IMPOSSIBLE


# What each shelter does not promise to let the script do; no shelter promises less about what stays.
_REFUSED = {*PROGRAMS, "io.FileIO", "os.fchmod", "os.fchown", "os.utime of a descriptor", "socket.bind"}
# Layers keep no extended attributes.
REFUSED = {NAMESPACES: set(), LANDLOCK: _REFUSED, AUDIT: {*_REFUSED, "os.removexattr"}}


@pytest.mark.parametrize("shelter", REFUSED)
def test_no_way_leaves_a_trace(shelter: str, tmp_path: Path) -> None:
    # Native code is what Python itself cannot refuse, as the package says.
    uncovered = set(NATIVE) if shelter == AUDIT else set()
    tried = _try(shelter, tmp_path, IMPOSSIBLE | uncovered)
    assert tried.traces == set()
    assert set(tried.errors) <= REFUSED[shelter], tried.errors


def test_each_audit_event_is_of_a_known_kind_or_raised_by_a_way_that_was_tried(really: Tried) -> None:
    assert {event for event in events() if not kind(event)} <= set(really.raised)
    assert {"os.remove", "subprocess.Popen", "socket.bind", "shutil.rmtree", "ctypes.dlopen"} <= events()


def test_what_no_event_tells_is_known(really: Tried) -> None:
    changes = {event for event in really.raised if event == "open" or ("." in event and not kind(event))}
    told = {way for event in changes for way in really.raised[event]}
    assert set(WAYS) - told - IMPOSSIBLE == {"os.mkfifo", "posix.mkfifo", "os.mknod", "socket.bind", *NATIVE}
