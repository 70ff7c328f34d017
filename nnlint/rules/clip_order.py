"""See rules/clip-order.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.updates import GRADIENTS, covers, events_in, excludes, implied, round_of, touches, trained
from nnlint.static.values import Event, EventKind, Frame, Kind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

MOMENTS = GRADIENTS | {EventKind.STEP, EventKind.OPAQUE}


class ClipOrder(Rule):
    words = ("clip_grad", "clip_gradients")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for clip in script.events_of(EventKind.CLIP):
            if clip.call.node is None:
                continue
            home = round_of(script, clip)
            if home is None:
                found = self._in_lightning(script, clip)
            else:
                events = [e for e in events_in(script, home) if not excludes(e.frame, clip.frame)]
                found = self._misplaced(script, clip, home, events) or self._scaled(script, clip, events)
            if found is not None:
                yield found

    def _misplaced(
        self, script: ScriptModel, clip: Event, home: Frame, events: list[Event]
    ) -> Problem | None:
        moments = [event for event in events if event.kind in MOMENTS]
        earlier = [event for event in moments if event.time < clip.time]
        later = [event for event in moments if event.time > clip.time]
        text = script.text(clip.call.node, 40)
        if any(event.kind is EventKind.OPAQUE for event in (*earlier[-1:], *later[:1])):
            return None
        if later and later[0].kind is EventKind.BACKWARD and not earlier and home.kind == "loop":
            steps = [e.target for e in later if e.kind is EventKind.STEP and e.target is not None]
            if any(touches(clip.target, optimizer) for optimizer in steps):
                return self._problem(
                    clip,
                    f"`{text}` comes before `backward()`, so the gradients of this batch are never clipped",
                    later[0],
                )
        if not earlier or earlier[-1].kind is not EventKind.STEP:
            return None
        step = earlier[-1]
        if step.target is None or step.target.kind is not Kind.OPTIMIZER or not _concerns(clip, step):
            return None
        if not implied(step.frame, clip.frame, home) or any(
            e.kind is EventKind.STEP and _concerns(clip, e) for e in later
        ):
            return None
        if later and any(event.kind in GRADIENTS for event in later):
            return None
        used = script.text(step.call.node, 40)
        what = f"`{text}` comes after `{used}`, which has already used the unclipped gradients"
        return self._problem(clip, what, step)

    def _problem(self, clip: Event, what: str, other: Event) -> Problem:
        assert clip.call.node is not None
        related = ((other.call.node, "the other call"),) if other.call.node is not None else ()
        return self.problem(
            clip.call.node, f"{what}; clip between `backward()` and `step()`", related=related
        )

    def _scaled(self, script: ScriptModel, clip: Event, events: list[Event]) -> Problem | None:
        """Clipping gradients that a `GradScaler` has scaled."""
        backward = next(
            (e for e in reversed(events) if e.kind is EventKind.BACKWARD and e.time < clip.time), None
        )
        step = next((e for e in events if e.kind is EventKind.STEP and e.time > clip.time), None)
        if backward is None or step is None or step.call.op != "scaler.step" or not _is_scaled(backward):
            return None
        between = [event for event in events if backward.time < event.time < clip.time]
        if any(event.kind in {EventKind.UNSCALE, EventKind.OPAQUE} for event in between):
            return None
        assert clip.call.node is not None
        scaler = script.name_of(step.call.receiver, "scaler") if step.call.receiver is not None else "scaler"
        optimizer = script.name_of(step.target, "optimizer") if step.target is not None else "optimizer"
        return self.problem(
            clip.call.node,
            f"these gradients are still multiplied by the loss scale, so the threshold clips nearly all of "
            f"them away; call `{scaler}.unscale_({optimizer})` before clipping",
            related=((backward.call.node, "scales the loss"),),
        )

    def _in_lightning(self, script: ScriptModel, clip: Event) -> Problem | None:
        """In `training_step` the trainer back-propagates only after the method has returned."""
        info = next(
            (f for f in clip.frame.functions() if f.name == "training_step" and f.cls is not None), None
        )
        if info is None or info.cls is None or not info.cls.is_lightning or clip.call.node is None:
            return None
        if (
            any(fact.name == "automatic_optimization" for fact in script.facts)
            or b"automatic_optimization" in script.source.data
        ):
            return None
        return self.problem(
            clip.call.node,
            "`training_step` runs before the trainer calls `backward()`, so the gradients of this batch are "
            "never clipped; pass `gradient_clip_val` to the Trainer or clip in `on_before_optimizer_step`",
        )


def _concerns(clip: Event, step: Event) -> bool:
    """Whether the clipped parameters are what the optimizer steps, as far as the file shows."""
    if step.target is None:
        return False
    return covers(clip.target, step.target) or (
        not trained(step.target) and touches(clip.target, step.target)
    )


def _is_scaled(backward: Event) -> bool:
    values = list(backward.target.sources()) if backward.target is not None else []
    return bool(values) and all(value.op == "scaler.scale" for value in values)
