"""Helpers for the tests of the static tier."""

from __future__ import annotations

import textwrap

from nnlint.static.model import ScriptModel
from nnlint.static.source import Source
from nnlint.static.values import EventKind, Value


def model_of(text: str) -> ScriptModel:
    return ScriptModel(Source.from_bytes(textwrap.dedent(text).encode(), "script.py"))


def value_named(script: ScriptModel, name: str) -> Value:
    """The value that was last bound to `name`."""
    return next(fact.value for fact in reversed(script.facts) if fact.name == name)


def steps(script: ScriptModel) -> list[str]:
    """The events of the only training pass, in order."""
    (found,) = script.training_passes
    kept = {
        EventKind.ZERO_GRAD, EventKind.FORWARD, EventKind.LOSS, EventKind.BACKWARD, EventKind.CLIP,
        EventKind.STEP, EventKind.SCHEDULER_STEP, EventKind.UNSCALE, EventKind.SCALER_UPDATE,
    }  # fmt: skip
    return [event.kind.value for event in found.events if event.kind in kept]
