"""See rules/wrapper-bypassed.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.holdings import touched
from nnlint.static.layers import built_here, has_weights
from nnlint.static.state import roots
from nnlint.static.updates import excludes, owners
from nnlint.static.values import Event, EventKind, Value

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.capture.supervise import Capture
    from nnlint.static.loops import DataPass
    from nnlint.static.model import ScriptModel

DDP = "torch.nn.parallel.DistributedDataParallel"
MOVES = frozenset(
    {"module.to", "module.cuda", "module.cpu", "module.half", "module.double", "module.bfloat16"}
)
# Gradients that are averaged by hand.
BY_HAND = re.compile(rb"all_reduce\(|average_grad|reduce_grad|sync_grad|register_comm_hook|allreduce")


class WrapperBypassed(Rule):
    words = ("DistributedDataParallel",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete or BY_HAND.search(script.source.data) is not None:
            return
        for wrapper in script.calls_of(DDP):
            bare = roots(wrapper)
            if len(bare) != 1 or wrapper.node is None:
                continue
            yield from self._called_bare(script, wrapper, bare[0])
            yield from self._changed(script, wrapper, bare[0])
            yield from self._moved(script, wrapper, bare[0])

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.ranks import differing

        if len(seen.ranks) < 2 or not differing(seen.ranks):
            return
        for wrapper in seen.ranks[0].wrappers:
            if wrapper.called or wrapper.bypassed is None:
                continue
            yield Sighting(
                wrapper.bypassed,
                f"this forward does not go through the {wrapper.class_name} wrapper, so the gradients of its "
                "`backward()` are not averaged: after the first step the ranks hold different weights; call "
                "the wrapper for training",
                related=((wrapper.place, "wrapped here"),),
            )

    def _called_bare(self, script: ScriptModel, wrapper: Value, bare: Value) -> Iterator[Problem]:
        """A forward for training that does not go through the wrapper."""
        for found in script.training_passes:
            forwards = [
                e for e in found.of(EventKind.FORWARD) if e.target is not None and e.grad is not False
            ]
            if any(_wrapped(e.target) for e in forwards) or not _steps(found):
                continue
            for event in forwards:
                assert event.target is not None
                if event.time < wrapper.time or event.target.alts or not script.evaluations.trains(event):
                    continue
                if not any(part is bare for part in owners(event.target)) or _apart(wrapper, event):
                    continue
                if event.call.node is None:
                    continue
                name = script.name_of(wrapper, "the wrapper")
                yield self.problem(
                    event.call.node,
                    f"this forward does not go through the DistributedDataParallel wrapper `{name}`, so the "
                    f"gradients of its `backward()` are not averaged and the processes drift apart; call "
                    f"`{name}(…)` for training",
                    related=_wrapped_at(wrapper),
                )
                break

    def _changed(self, script: ScriptModel, wrapper: Value, bare: Value) -> Iterator[Problem]:
        """Parameters that are added or unfrozen when the wrapper has already looked for them."""
        name = script.name_of(wrapper, "the wrapper")
        for fact in script.facts:
            if fact.kind != "attribute" or fact.time < wrapper.time or fact.owner is None:
                continue
            if fact.value.time < wrapper.time or not built_here(fact.value) or not has_weights(fact.value):
                continue
            if fact.value is wrapper or not _inside(fact.owner, bare):
                continue
            yield self.problem(
                fact.node,
                f"`{fact.name}` is added after `{name}` was wrapped: DistributedDataParallel averages the "
                f"gradients of the parameters that it found then, and not of these; complete the model first",
                related=_wrapped_at(wrapper),
            )
        frozen = [e for e in script.events_of(EventKind.FREEZE) if e.time < wrapper.time]
        for event in script.events_of(EventKind.UNFREEZE):
            parts = touched(event)
            if event.time < wrapper.time or event.call.node is None or not parts:
                continue
            if not all(_inside(part, bare) for part in parts) or not any(
                _inside(part, bare) for e in frozen for part in touched(e)
            ):
                continue
            if any(again.time > event.time for again in script.calls_of(DDP)):
                continue
            yield self.problem(
                event.call.node,
                f"these parameters are unfrozen after `{name}` was wrapped: DistributedDataParallel averages "
                f"the gradients of those that required one then, and not of these; wrap the model anew",
                related=_wrapped_at(wrapper),
            )

    def _moved(self, script: ScriptModel, wrapper: Value, bare: Value) -> Iterator[Problem]:
        calls = [call for op in MOVES for call in script.calls_of(op) if call.receiver is not None]
        calls = [call for call in calls if bare in roots(call.receiver or call)]
        made = any(part.op in {"to", "cuda"} for part in bare.graph())  # of a class that is not seen
        if made or any(call.time < wrapper.time for call in calls):
            return  # most likely it is there already
        for call in calls:
            if call.node is None or call.receiver not in (wrapper, bare):
                continue
            if call.frame is None or wrapper.frame is None or excludes(wrapper.frame, call.frame):
                continue
            yield self.problem(
                call.node,
                f"the parameters are moved after `{script.name_of(wrapper, 'the model')}` was wrapped: "
                f"DistributedDataParallel built its buckets for what they were, and does not average them "
                f"any more; move the model first, then wrap it",
                related=_wrapped_at(wrapper),
            )


def _wrapped(module: Value | None) -> bool:
    return module is not None and any(part.op == DDP for part in module.alternatives())


def _steps(found: DataPass) -> bool:
    return bool(found.of(EventKind.STEP)) and bool(found.of(EventKind.BACKWARD))


def _apart(wrapper: Value, event: Event) -> bool:
    """Whether the wrapper is made on another branch, or only under a test that the forward does not share."""
    if wrapper.frame is None or excludes(wrapper.frame, event.frame):
        return True
    tests = [frame for frame in wrapper.frame.tests() if not event.frame.inside(frame)]
    return bool(tests)


def _inside(module: Value, bare: Value) -> bool:
    return any(owner is bare for root in roots(module) for owner in owners(root))


def _wrapped_at(wrapper: Value) -> tuple[tuple[cst.CSTNode, str], ...]:
    return ((wrapper.node, "wrapped here"),) if wrapper.node is not None else ()
