"""See rules/optimizer-misses-parameters.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting, listed
from nnlint.static.holdings import Holding, holding, lineage, made_over, part_of, stepped_after, touched
from nnlint.static.layers import built_here, has_weights, init_of
from nnlint.static.state import roots
from nnlint.static.torch_api import CUTS_GRADIENT, WRAPPERS
from nnlint.static.updates import updates
from nnlint.static.values import EventKind, Fact, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation, FirstStep
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

GENERATORS = frozenset({"parameters", "named_parameters", "builtins.filter", "itertools.chain"})


class OptimizerMissesParameters(Rule):
    words = ("optim",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.loops import LATER

        return (LATER,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        held = [
            (optimizer, holding(optimizer)) for optimizer in script.optimizers if optimizer.node is not None
        ]
        later = _made_anew(script)
        for optimizer, own in held:
            yield from self._replaced(script, optimizer, own, held, later)
            yield from self._thawed(script, optimizer, own)
            yield from self._exhausted(script, optimizer)
        yield from self._never_held(script, held)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        for step in seen.first_steps:
            yield from self._without_optimizer(step)

    def _without_optimizer(self, step: FirstStep) -> Iterator[Sighting]:
        if not any(optimizer.steps for optimizer in step.optimizers):
            return
        for root in step.roots:
            missed = [
                parameter.name
                for parameter in root.parameters
                if parameter.requires_grad
                and parameter.has_grad
                # What an earlier loop has trained, with an optimizer that is gone, may be meant to stay.
                and not parameter.optimizers
                and not parameter.earlier
            ]
            if missed:
                optimizer = next(optimizer for optimizer in step.optimizers if optimizer.steps)
                yield Sighting(
                    optimizer.place or root.place,
                    f"{listed(missed)} of `{root.class_name}` received a gradient in the first training "
                    "step, and no optimizer holds it: it stays as it was initialised; pass it to the "
                    "optimizer, or set requires_grad to False if it is meant to stay",
                    related=((root.place, "the model is called here"),),
                    evidence={"parameters": missed},
                )

    # -- layers that came later -----------------------------------------------------------------

    def _replaced(
        self,
        script: ScriptModel,
        optimizer: Value,
        own: Holding,
        held: list[tuple[Value, Holding]],
        later: dict[int, list[Fact]],
    ) -> Iterator[Problem]:
        if _extended(script, optimizer):
            return
        facts = {id(fact): fact for module in own.modules for fact in later.get(id(module), ())}
        for fact in sorted(facts.values(), key=lambda fact: fact.time):
            layer = fact.value
            if fact.time < optimizer.time or layer.time < optimizer.time or not _fresh(layer):
                continue
            if not stepped_after(script, optimizer, fact.time):
                continue
            if any(
                part_of(layer, module) and other is not optimizer and other.time > fact.time
                for other, its in held
                for module in its.modules
            ):
                continue
            assert optimizer.node is not None
            yield self.problem(
                optimizer.node,
                f"`{script.name_of(optimizer, 'the optimizer')}` is built before "
                f"`{_target(script, fact)}` is replaced: it "
                "holds the old layer's parameters and never trains the new one's; build the "
                "optimizer after the model "
                f"is complete",
                related=((fact.node, "the new layer"),),
            )
            return

    def _thawed(self, script: ScriptModel, optimizer: Value, own: Holding) -> Iterator[Problem]:
        if not own.filtered or _extended(script, optimizer):
            return
        for event in script.events_of(EventKind.UNFREEZE):
            if event.time < optimizer.time or not stepped_after(script, optimizer, event.time):
                continue
            parts = touched(event)
            if not parts or not any(
                part_of(part, m) or part_of(m, part) for part in parts for m in own.modules
            ):
                continue
            frozen = [e for e in script.events_of(EventKind.FREEZE) if e.time < optimizer.time]
            if not any(
                part_of(part, m) or part_of(m, part) for e in frozen for m in touched(e) for part in parts
            ):
                continue
            if any(other.time > event.time for other in script.optimizers):
                continue
            if any(made_over(script, own.modules, e.time, optimizer.time) for e in frozen):
                continue
            assert optimizer.node is not None
            yield self.problem(
                optimizer.node,
                f"`{script.name_of(optimizer, 'the optimizer')}` takes only the parameters that "
                "require a gradient when it "
                "is built; those unfrozen later are never trained; give it all parameters, or "
                "call `add_param_group`",
                related=((event.call.node, "unfrozen later"),),
            )
            return

    # -- generators that are used up ------------------------------------------------------------

    def _exhausted(self, script: ScriptModel, optimizer: Value) -> Iterator[Problem]:
        groups = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params")
        if groups is None or groups.kind is not Kind.SEQUENCE or optimizer.node is None:
            return
        for group in groups.args:
            given = group.attrs.get("params") if group.kind is Kind.MAPPING else None
            if given is None or not given.name or not _generator(given):
                continue
            used = _used_up(script, given, group.time)
            if used is not None:
                yield self.problem(
                    optimizer.node,
                    f"the generator `{given.name}` was already read to its end, so this parameter "
                    "group is empty and "
                    f"those parameters are never trained; make it a list",
                    related=((used, "read to its end here"),),
                )

    # -- networks that no optimizer has ---------------------------------------------------------

    def _never_held(self, script: ScriptModel, held: list[tuple[Value, Holding]]) -> Iterator[Problem]:
        if not held or not script.complete or any(not own.sure or own.parameters for _, own in held):
            return
        if any(True for _ in script.events_of(EventKind.GRAD)):
            return
        known = [module for _, own in held for module in own.modules]
        reported: set[int] = set()
        # A backward pass that no step follows trains nothing: a benchmark, a check of gradients.
        used = {id(event) for update in updates(script) for event in update.events}
        for event in script.events_of(EventKind.BACKWARD):
            if event.target is None or id(event) not in used:
                continue
            for value in event.target.graph(lambda part: part.op in CUTS_GRADIENT or part.grad is not True):
                for module in (
                    roots(value.receiver) if value.op == "module_call" and value.receiver is not None else ()
                ):
                    if id(module) in reported or value.grad is not True or module.owner is not None:
                        continue
                    if any(part_of(module, m) or part_of(m, module) for m in known) or not _meant(
                        script, module
                    ):
                        continue
                    if any(_built_by(m, module) for m in known):
                        continue
                    reported.add(id(module))
                    if module.node is not None:
                        yield self.problem(
                            module.node,
                            f"`{script.name_of(module, 'this module')}` takes part in the loss that is "
                            "back-propagated, but "
                            "no optimizer holds its parameters, so it stays as initialised; give them to an "
                            "optimizer, "
                            f"or freeze it",
                            severity=Severity.WARNING,
                            related=((event.call.node, "back-propagated here"),),
                        )


def _built_by(whole: Value, module: Value) -> bool:
    """Whether the class of a network that an optimizer holds builds the module, and may well keep it, too, in
    a way that is not followed."""
    maker = init_of(module.frame) if module.frame is not None else None
    return (
        maker is not None and whole.cls is not None and any(part is maker.cls for part in whole.cls.lineage())
    )


def _made_anew(script: ScriptModel) -> dict[int, list[Fact]]:
    """By the modules that it is in, each attribute of a module that is set."""
    found: dict[int, list[Fact]] = {}
    for fact in script.facts_by_kind.get("attribute", ()):
        if fact.owner is not None and fact.owner.kind is Kind.MODULE:
            for module in {id(whole) for part in roots(fact.owner) for whole in lineage(part)}:
                found.setdefault(module, []).append(fact)
    return found


def _fresh(layer: Value) -> bool:
    """A new layer with weights, not the old one in a wrapper."""
    if layer.op in WRAPPERS or not built_here(layer) or not has_weights(layer):
        return False
    return not any(
        part.op in {"getattr", "module_item"}
        for arg in layer.args
        for part in arg.graph()
        if part.kind is Kind.MODULE
    )


def _target(script: ScriptModel, fact: Fact) -> str:
    if isinstance(fact.node, cst.Assign):
        return script.text(fact.node.targets[0].target, 40)
    return fact.name


def _extended(script: ScriptModel, optimizer: Value) -> bool:
    """Whether parameters are added to it later."""
    return any(call.receiver is optimizer for call in script.calls_of("optimizer.add_param_group")) or any(
        "param_groups" in part for part in optimizer.attrs
    )


def _generator(value: Value) -> bool:
    if value.kind is Kind.PARAMETERS:
        return value.const != "list" and value.op in GENERATORS
    if value.op == "comprehension":
        return isinstance(value.node, cst.GeneratorExp)
    return value.op in GENERATORS


def _used_up(script: ScriptModel, generator: Value, before: int) -> cst.CSTNode | None:
    """The place where it was iterated before that moment."""
    for frame in script.loops:
        if frame.value is generator and generator.time < frame.start < before:
            return frame.node if not isinstance(frame.node, cst.For) else frame.node.iter
    for call in script.calls:
        if not generator.time < call.time < before or call.node is None:
            continue
        for arg in (*call.args, *call.kwargs.values()):
            if arg.receiver is generator and arg.op == "comprehension":
                return call.node
            if arg is generator and call.op in {"builtins.sum", "builtins.len", "clip_grad_norm_"}:
                return call.node
    return None


def _meant(script: ScriptModel, module: Value) -> bool:
    """A network made in this file to be trained: not frozen, loaded, put in eval mode or handed away."""
    if module.cls is None and not module.op.startswith("torch.nn."):
        return False
    if not built_here(module) or not has_weights(module) or _lazily(module):
        return False
    trained = max((event.time for event in script.events_of(EventKind.BACKWARD)), default=0)
    for event in script.events:
        if event.kind not in (EventKind.FREEZE, EventKind.LOAD_STATE, EventKind.OPAQUE, EventKind.EVAL):
            continue
        if event.kind is EventKind.EVAL and event.time > trained:
            continue  # it is looked at when all is over
        if event.target is not None and any(
            part is module for part in (*roots(event.target), *touched(event))
        ):
            return event.kind is EventKind.EVAL and _trains(script, module)
    calls = (call for call in script.calls if call.op in {"parameters", "named_parameters", "state_dict"})
    return not any(
        call.receiver is not None and any(part is module for part in roots(call.receiver)) for call in calls
    )


def _lazily(module: Value) -> bool:
    """Made in a decorated method, which may put what it returns on the object."""
    maker = next(iter(module.frame.functions()), None) if module.frame is not None else None
    return maker is not None and maker.cls is not None and bool(maker.node.decorators)


def _trains(script: ScriptModel, module: Value) -> bool:
    return any(
        e.target is not None and any(p is module for p in roots(e.target))
        for e in script.events_of(EventKind.TRAIN)
    )
