"""Whether a file is a whole script that trains, or a part of something larger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.loops import DataPass
from nnlint.static.values import EventKind, Frame

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

_GUARD = re.compile(r"^if __name__ == ['\"]__main__['\"]", re.MULTILINE)


def trainings(script: ScriptModel, *, whole_batches: bool = False) -> list[DataPass]:
    """The training passes that running the file runs, if it is a whole script.

    It has a main guard, and the loop over batches that steps an optimizer stands in a loop over epochs; or,
    with `whole_batches`, in no other loop."""
    if not script.complete or not _GUARD.search(script.source.text):
        return []
    return [
        found
        for found in script.training_passes
        if found.looped and (found.outer is not None or whole_batches)
        if _is_run(found.frame) and found.of(EventKind.STEP)
    ]


def _is_run(frame: Frame) -> bool:
    """Whether running the file gets here: no function around it was read on its own."""
    *_, root = frame.chain()
    return isinstance(root.node, cst.Name)
