"""What the Linux kernel refuses without namespaces: Landlock for files, seccomp for their attributes.

Both hold for this process and all that it will ever start, and cannot be taken back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path

# The system calls of Landlock have one number on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_BENEATH = 1
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2

_WRITE, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
# Character devices, folders, files, sockets, pipes, block devices, symbolic links.
_MAKE = sum(1 << bit for bit in range(6, 13))
_MAKE_FILE = 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
# What a kernel with this version of Landlock can refuse beyond the first.
_SINCE = ((2, _REFER), (3, _TRUNCATE))

# chmod, chown, utime, setxattr and removexattr in all their forms: Landlock does not see them.
_ATTRIBUTES = {
    "x86_64": (
        0xC000003E,
        (90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199, 463, 466),
        76,
    ),
    "aarch64": (0xC00000B7, (52, 53, 452, 54, 55, 88, 5, 6, 7, 14, 15, 16, 463, 466), 45),
}


def landlock_version() -> int:
    """The version of Landlock that the kernel offers; 0 is none."""
    if not hasattr(os, "fork") or platform.system() != "Linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, _VERSION)))


def confine(writable: tuple[Path, ...]) -> None:
    """Let this process and its children write below these folders only; OSError if the kernel will not.

    Devices can be written to, and in /dev/shm files be made, as shared memory and semaphores need it.
    Changing modes, owners, times and extended attributes does nothing any more, and says that it has.
    """
    version = landlock_version()
    handled = _WRITE | _REMOVE_DIR | _REMOVE_FILE | _MAKE
    for since, right in _SINCE:
        handled |= right if version >= since else 0
    _check(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    attributes = struct.pack("=Q", handled)
    rules = _check(_libc().syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for folder in writable:
            _allow(rules, folder, handled)
        _allow(rules, Path("/dev"), _WRITE | handled & _TRUNCATE)
        with contextlib.suppress(OSError):
            _allow(rules, Path("/dev/shm"), (_WRITE | _MAKE_FILE | _REMOVE_FILE | _TRUNCATE) & handled)
        _check(_libc().syscall(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)
    _ignore_attributes(truncate=not handled & _TRUNCATE)


def _allow(rules: int, folder: Path, rights: int) -> None:
    parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        _check(_libc().syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", rights, parent), 0))
    finally:
        os.close(parent)


def _ignore_attributes(*, truncate: bool) -> None:
    """Let the system calls that change a file's attributes return success and do nothing."""
    if platform.machine() not in _ATTRIBUTES:
        return
    architecture, calls, truncating = _ATTRIBUTES[platform.machine()]
    if truncate:
        calls = (*calls, truncating)
    # Load the architecture, go to the end unless it is ours, load the number, compare it with each.
    program = [(0x20, 0, 0, 4), (0x15, 0, len(calls) + 1, architecture), (0x20, 0, 0, 0)]
    program += [(0x15, len(calls) - at, 0, number) for at, number in enumerate(calls)]
    program += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    # The kernel's struct sock_fprog: how many instructions, padding, and where they are.
    pointer = struct.pack("@HP", len(program), ctypes.addressof(code))
    _check(_libc().prctl(_SECCOMP, _FILTER, pointer, 0, 0))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
