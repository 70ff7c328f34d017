"""Who calls an operator: the user's own line, or a library that it calls."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import torch

from nnlint.capture.watch import is_library

_NNLINT = str(Path(__file__).resolve().parents[1])
_TORCH = Path(torch.__file__).resolve().parent
# Python between an expression of the user's (`1 / x`, `torch.norm(x)`) and its operator.
_THIN = frozenset(
    str(_TORCH / name)
    for name in ("_tensor.py", "functional.py", "_ops.py", "utils/_python_dispatch.py", "overrides.py")
)


def by_the_user() -> bool:
    """Whether no library stands between the operator at hand and the user's files."""
    frame = sys._getframe(1)
    while frame is not None:
        passed = _passed(frame.f_code.co_filename)
        if passed is not None:
            return passed
        frame = frame.f_back  # type: ignore[assignment]
    return False


@cache
def _passed(filename: str) -> bool | None:
    """Whether a frame is the user's; None for one that is looked past."""
    if filename.startswith(_NNLINT) or filename in _THIN:
        return None
    return not filename.startswith("<") and not is_library(filename)
