"""See rules/clip-per-microbatch.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.updates import GRADIENTS, every_nth, implied, touches, updates
from nnlint.static.values import EventKind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

WHAT = {EventKind.CLIP: "clips", EventKind.UNSCALE: "unscales"}


class ClipPerMicrobatch(Rule):
    words = ("clip_grad", "unscale_")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for update in updates(script):
            gradients = update.before(*GRADIENTS)
            test = every_nth(update.step.frame, update.round) if update.looped else None
            if test is None or not gradients or any(frame is test for frame in gradients[-1].frame.chain()):
                continue
            backward = gradients[-1]
            for event in update.events:
                if event.kind not in WHAT or event.call.node is None or event.time < backward.time:
                    continue
                if (
                    not implied(event.frame, backward.frame, update.round)
                    or event.frame.loop() is not update.round
                ):
                    continue
                if event.target is None or not touches(event.target, update.optimizer):
                    continue
                name = script.name_of(update.optimizer, "optimizer")
                yield self.problem(
                    event.call.node,
                    f"`{script.text(event.call.node, 40)}` {WHAT[event.kind]} the half-summed gradients "
                    f"after every micro-batch, though `{name}` steps only on the whole window; do it once, "
                    f"right before the step",
                    related=((update.step.call.node, "the step"),)
                    if update.step.call.node is not None
                    else (),
                )
