"""See rules/backward-on-validation.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule
from nnlint.static.evaluation import speaks_of_evaluation
from nnlint.static.loops import DataPass
from nnlint.static.splits import EVALUATION, LOADER, TRAIN, loaders_behind, role_in_name, split_of
from nnlint.static.updates import same_object
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Something reads the gradients, or asks for those of an input: they are what the pass is for.
READS = re.compile(rb"\.grad\b|autograd\.grad|register_\w*hook|requires_grad_\(|torch\.func\b|functorch")


class BackwardOnValidation(Rule):
    words = ("backward",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        passes = [found for found in script.passes if found.looped and loaders_behind(found.iterable)]
        told: set[int] = set()
        yield from self._wrong_loader(script, passes)
        for held in passes:
            backward, step = _trains(held)
            if backward is None or backward.call.node is None or held.of(EventKind.GRAD):
                continue
            forward = _judged(script, held, backward)
            why = _held_out(held, forward) if forward is not None else ""
            if not why or forward is None or forward.target is None:
                continue
            other = next(
                (o for o in passes if o is not held and _learns(script, o, held, forward, step)), None
            )
            if other is None or id(backward.call.node) in told:
                continue
            told.add(id(backward.call.node))
            model = script.name_of(forward.target, "the model")
            related = ((other.frame.node, "the training pass"),)
            if step is not None and step.call.node is not None:
                name = script.name_of(step.target, "the optimizer") if step.target is not None else "it"
                yield self.problem(
                    backward.call.node,
                    f"`{model}` is trained on the data that it is evaluated on ({why}): its loss is "
                    f"back-propagated here and `{name}` steps, so the figures of this pass say nothing "
                    f"about unseen data; leave `backward()` and `step()` to the training pass",
                    related=related,
                )
            elif READS.search(script.source.data) is None:
                yield self.problem(
                    backward.call.node,
                    f"`{model}` is evaluated here ({why}), and its loss is back-propagated: the gradients "
                    f"stay in `.grad` and are added to those of the next training batch unless they are "
                    f"cleared first; drop `backward()` and put the pass under `torch.no_grad()`",
                    severity=Severity.WARNING,
                    related=related,
                )

    def _wrong_loader(self, script: ScriptModel, passes: list[DataPass]) -> Iterator[Problem]:
        """Training runs over the held-out loader, and nothing over the one made for training."""
        used = {id(loader) for held in passes for loader in loaders_behind(held.iterable)}
        idle = [
            loader
            for loader in script.calls_of(LOADER)
            if role_in_name(loader.name) == TRAIN
            and id(loader) not in used
            and not _handed_on(script, loader)
        ]
        for held in passes if len(idle) == 1 else ():
            loaders = loaders_behind(held.iterable)
            backward, step = _trains(held)
            if backward is None or step is None or backward.call.node is None or len(loaders) != 1:
                continue
            evaluated = next(
                (o for o in passes if not o.trains and loaders_behind(o.iterable) == loaders), None
            )
            if role_in_name(loaders[0].name) == EVALUATION and evaluated is not None:
                name = loaders[0].name
                yield self.problem(
                    backward.call.node,
                    f"this trains on `{name}`, on which it is evaluated as well, and nothing runs over "
                    f"`{idle[0].name}`: the figures are those of the training data; train on "
                    f"`{idle[0].name}`",
                    related=((held.frame.node, f"runs over `{name}`"), (evaluated.frame.node, "evaluates")),
                )
                return


def _handed_on(script: ScriptModel, loader: Value) -> bool:
    """Whether something may run over it that the file does not show."""
    return any(
        value is loader and call.op not in {"builtins.len", "builtins.print"}
        for call in script.calls
        for value in (*call.args, *call.kwargs.values())
    ) or any(fact.value is loader and fact.kind in {"return", "subscript"} for fact in script.facts)


def _trains(held: DataPass) -> tuple[Event | None, Event | None]:
    backward = next((event for event in held.of(EventKind.BACKWARD) if event.grad is not False), None)
    return backward, next(iter(held.of(EventKind.STEP)), None)


def _judged(script: ScriptModel, held: DataPass, backward: Event) -> Event | None:
    """The forward whose output was compared with a target and back-propagated, where no input is
    differentiated."""
    for event in held.of(EventKind.FORWARD):
        if event.target is None or event.grad is False or id(event.call) not in script.evaluations.judged:
            continue
        if backward.target is None or not backward.target.derives_from(_parts(event.call)):
            continue
        given = [*event.call.args, *event.call.kwargs.values()]
        if any(
            part.op == "requires_grad_" or "requires_grad" in part.kwargs
            for value in given
            for part in value.graph()
        ):
            return None
        return event
    return None


def _parts(call: Value) -> list[Value]:
    return [call, *(call.args if call.kind is Kind.SEQUENCE else ()), *call.attrs.values()]


def _held_out(held: DataPass, forward: Event) -> str:
    """What says that this pass evaluates: the data set's own making, or the mode together with a name."""
    loaders = loaders_behind(held.iterable)
    sides = [split_of(loader) for loader in loaders]
    if all(side is not None and side[0] == EVALUATION for side in sides):
        return f"its data set is made with `{sides[0][1]}`" if sides[0] is not None else ""
    if any(side is not None for side in sides):
        return ""
    named = [loader.name for loader in loaders]
    if not all(role_in_name(name) == EVALUATION for name in named):
        return ""
    if forward.mode == "eval":
        return f"`eval()` was called, and it runs over `{named[0]}`"
    functions = [info.name for info in held.frame.functions()[:1]]
    if forward.mode is None and any(speaks_of_evaluation(name) for name in functions):
        return f"`{functions[0]}` runs over `{named[0]}`"
    return ""


def _learns(script: ScriptModel, other: DataPass, held: DataPass, forward: Event, step: Event | None) -> bool:
    """Whether the other pass is the one that trains the same model with the same optimizer."""
    loaders = loaders_behind(other.iterable)
    if {id(loader) for loader in loaders} & {id(loader) for loader in loaders_behind(held.iterable)}:
        return False
    sides = [split_of(loader) or (role_in_name(loader.name), "") for loader in loaders]
    if any(side[0] == EVALUATION for side in sides):
        return False
    target = forward.target
    if not any(
        event.target is not None and target is not None and script.same(event.target, target)
        for event in other.of(EventKind.FORWARD)
    ):
        return False
    if not other.trains:  # the two loaders are swapped
        return step is not None and all(side[0] == TRAIN for side in sides)
    steps = other.of(EventKind.STEP)
    shared = other.outer is not None and other.outer is held.outer
    if step is None:
        return shared and bool(steps)
    return shared and any(same_object(event.target, step.target) for event in steps)
