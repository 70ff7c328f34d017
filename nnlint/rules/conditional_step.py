"""See rules/conditional-step.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.updates import GRADIENTS, Update, every_nth, implied, touches, updates, writes_gradients
from nnlint.static.values import EventKind

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class ConditionalStep(Rule):
    words = ("%",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        for update in updates(script):
            backward = update.before(*GRADIENTS)
            if not update.looped or not backward or update.step.call.node is None:
                continue
            clears = [
                event
                for event in update.round.events
                if event.kind is EventKind.ZERO_GRAD and touches(event.target, update.optimizer)
            ]
            if not clears or writes_gradients(script, update.round):
                continue
            name = script.name_of(update.optimizer, "optimizer")
            test = every_nth(update.step.frame, update.round)
            if test is None:
                tests = [every_nth(event.frame, update.round) for event in clears]
                if all(tests) and implied(update.step.frame, backward[-1].frame, update.round):
                    yield self.problem(
                        update.step.call.node,
                        f"`{name}` steps after every batch while its gradients are cleared only every few "
                        f"batches, so each step repeats the gradients of the batches before; put the step "
                        f"under the same test",
                        related=tuple((e.call.node, "cleared here") for e in clears[:1]),
                    )
            elif self._discards(update, test):
                yield self.problem(
                    update.step.call.node,
                    f"`{name}` steps only on some batches but the gradients of every batch are cleared, so "
                    f"those of the others are thrown away; step after every batch, or clear the gradients "
                    f"under the same test",
                    related=tuple((e.call.node, "cleared every turn") for e in clears[:1]),
                )

    def _discards(self, update: Update, test: object) -> bool:
        """Whether each turn computes gradients and clears them, but only some turns step."""
        clears = [e for e in update.before(EventKind.ZERO_GRAD) if touches(e.target, update.optimizer)]
        since = clears[-1].time if clears else -1
        # `autograd.grad` adds to no `.grad`, and an inner loop is another network's turn.
        backwards = [
            event
            for event in update.before(EventKind.BACKWARD)
            if event.time > since and event.frame.loop() is update.round
        ]
        if not backwards or any(
            every_nth(backward.frame, update.round) is not None
            or any(frame is test for frame in backward.frame.chain())
            for backward in backwards
        ):
            return False
        steps = [
            event
            for event in update.round.events
            if event.kind is EventKind.STEP and event is not update.step
        ]
        if any(touches(event.target, update.optimizer) for event in steps):
            return False
        return any(
            event.kind is EventKind.ZERO_GRAD
            and touches(event.target, update.optimizer)
            and event.frame.loop() is update.round
            and all(implied(event.frame, backward.frame, update.round) for backward in backwards)
            for event in update.events
        )
