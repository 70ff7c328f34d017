"""Who calls an operator: the user's own line, torch on its behalf, or another library."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from nnlint.capture.watch import is_library

_NNLINT = str(Path(__file__).resolve().parents[1])
_TORCH = str(Path(torch.__file__).resolve().parent)
# Python between an expression of the user's (`1 / x`, `torch.norm(x)`) and its operator.
_THIN = frozenset(
    f"{_TORCH}/{name}"
    for name in ("_tensor.py", "functional.py", "_ops.py", "utils/_python_dispatch.py", "overrides.py")
)


def caller() -> str:
    """ "user", "torch" or "library": what stands nearest to the operator at hand, up to the user's files."""
    found = "user"
    frame = sys._getframe(1)
    while frame is not None:
        kind = _kind(frame.f_code.co_filename)
        if kind == "user":
            return found
        if kind == "library":
            return kind
        if kind == "torch":
            found = kind
        frame = frame.f_back  # type: ignore[assignment]
    return "library"


def held_as(tensor: torch.Tensor) -> str:
    """The variable that holds a tensor on the user's line at hand; "" if none does."""
    frame = sys._getframe(1)
    while frame is not None:
        if _kind(frame.f_code.co_filename) == "user":
            for variables in (frame.f_locals, frame.f_globals):
                for name, value in list(variables.items()):
                    if value is tensor:
                        return name
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def packs_sequences() -> bool:
    """Whether `pack_padded_sequence` of torch is at work."""
    frame = sys._getframe(1)
    while frame is not None and _kind(frame.f_code.co_filename) != "user":
        if frame.f_code is pack_padded_sequence.__code__:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


@cache
def _kind(filename: str) -> str:
    """ "" for a file that is looked past: Python's own, nnlint's, and what stands behind an expression."""
    if filename.startswith(("<", _NNLINT)) or filename in _THIN:
        return ""
    if filename.startswith(_TORCH):
        return "torch"
    if not is_library(filename):
        return "user"
    return "library" if "-packages/" in filename else ""
