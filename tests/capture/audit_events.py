"""`python tests/capture/audit_events.py`: the audit events of this Python, and what each is about.

They are those that stand in the interpreter's binary, in its extension modules and in its library. An event
that is of no kind below changes files or starts programs: test_ways.py demands a way that raises it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# What they are about, by the beginnings of their names.
READING = (
    "builtins.",
    "code.",
    "cpython.",
    "gc.",
    "glob.",
    "marshal.",
    "os.chdir",
    "os.fwalk",
    "os.getxattr",
    "os.list",
    "os.scandir",
    "os.walk",
    "pathlib.",
    "pdb.",
    "pickle.",
    "sys.",
    "time.sleep",
)
# The network is not cut off: who binds to the name of a file is the only one that changes any.
NETWORK = (
    "ftplib.",
    "http.",
    "imaplib.",
    "nntplib.",
    "poplib.",
    "smtplib.",
    "socket.",
    "telnetlib.",
    "urllib.",
)
# What processes do to themselves and to each other. Where there are namespaces they see no others.
PROCESSES = (
    "_thread.",
    "os.fork",
    "os.kill",
    "os.lockf",
    "os.putenv",
    "os.unsetenv",
    "resource.",
    "signal.",
    "syslog.",
    "fcntl.",
)
# By themselves they change nothing: what native code does then, no event tells. (mmap is of an open file.)
NATIVE = (
    "ctypes.",
    "mmap.",
    "sqlite3.connect/",
    "sqlite3.enable_load_extension",
    "sqlite3.load_extension",
    "array.",
)
# Python code, each of whose steps raises an event of its own.
MADE_OF_OTHERS = ("ensurepip.", "webbrowser.")
KINDS = {
    "reads or looks": READING,
    "network": NETWORK,
    "processes": PROCESSES,
    "native code": NATIVE,
    "made of others": MADE_OF_OTHERS,
}
# The compiled modules that raise events at all (docs.python.org/3/library/audit_events.html).
_COMPILED = frozenset(
    [
        "_thread",
        "array",
        "builtins",
        "code",
        "cpython",
        "ctypes",
        "fcntl",
        "gc",
        "marshal",
        "mmap",
        "os",
        "resource",
        "signal",
        "socket",
        "sqlite3",
        "sys",
        "syslog",
        "time",
    ]
)
_STRING = re.compile(rb"(?<=\0)[a-z_]\w*(?:\.\w+)+(?:/\w+)?(?=\0)")
_CALL = re.compile(r"""(?<!\w)(?:sys\.|_)?audit\(\s*["']([\w./]+)["']""")


def events() -> set[str]:
    """Audit events of this Python, but for those without a dot: `open`, `exec`, `compile`, `import`."""
    strings = {match[0].decode() for path in _binaries() for match in _STRING.finditer(path.read_bytes())}
    found = {name for name in strings if name.partition(".")[0] in _COMPILED and not _is_other(name)}
    library = Path(sysconfig.get_path("stdlib"))
    for path in library.rglob("*.py"):
        if not {"site-packages", "test", "tests"}.intersection(path.parts):
            found.update(_CALL.findall(path.read_text(encoding="utf-8", errors="replace")))
    return found


def kind(event: str) -> str:
    """What an event is about that changes no file; empty for the others."""
    return next((kind for kind, names in KINDS.items() if event.startswith(names)), "")


def _binaries() -> Iterator[Path]:
    yield Path(sys.executable).resolve()
    shared = Path(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or "")
    if shared.is_file():
        yield shared
    yield from Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so")


def _is_other(name: str) -> bool:
    """Whether it names a class, a submodule or a source file instead."""
    module, _, last = name.rpartition(".")
    if last in ("c", "h") or last[:1].isupper():
        return True
    with contextlib.suppress(ImportError):
        if importlib.util.find_spec(name) is not None:
            return True
    with contextlib.suppress(ImportError):
        return isinstance(getattr(importlib.import_module(module), last, None), type)
    return False


def main() -> None:
    for event in sorted(events()):
        print(f"{event:36} {kind(event) or 'changes files, or starts programs: tried in test_ways.py'}")


if __name__ == "__main__":
    main()
