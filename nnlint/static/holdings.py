"""What an optimizer was given, what was frozen, and by which words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nnlint.static.state import roots
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Ways to hand parameters on that leave them what they are.
HANDS_ON = frozenset(
    {"builtins.filter", "add", "itertools.chain", "element", "builtins.iter", "star", "name", "key"}
)


@dataclass
class Holding:
    """The modules and single parameters behind an optimizer's first argument."""

    modules: list[Value] = field(default_factory=list)
    parameters: list[Value] = field(default_factory=list)
    filtered: bool = False  # by a condition, such as `p.requires_grad`
    sure: bool = True  # nothing else can be in there


def holding(optimizer: Value) -> Holding:
    """What the optimizer was given where it was made."""
    found = Holding()
    given = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params")
    if given is None:
        found.sure = False
        return found
    # `add_param_group` adds to the arguments.
    for argument in (given, *(arg for arg in optimizer.args[1:] if arg.kind is Kind.MAPPING)):
        _gather(argument, found)
    return found


def _gather(argument: Value, found: Holding) -> None:
    ends = (Kind.MODULE, Kind.FUNCTION, Kind.CONST)
    for value in argument.graph(lambda part: part.kind in ends or part.op == "torch.nn.Parameter"):
        if value.kind is Kind.MODULE:
            found.modules.extend(roots(value))
        elif value.op == "torch.nn.Parameter":
            found.parameters.append(value)
        elif value.op == "builtins.filter" or (value.op == "comprehension" and "if" in value.kwargs):
            found.filtered = True
        elif value.kind is Kind.TENSOR:
            found.parameters.append(value)
        elif (
            value.kind is Kind.UNKNOWN
            and value.op not in HANDS_ON
            and not value.alts
            and "parameter" not in value.op
        ):
            found.sure = found.sure and value.op in {"requires_grad", "and", "not", "in", "not in", "eq"}


def lineage(module: Value) -> list[Value]:
    """The module and those that it is part of."""
    found: list[Value] = []
    current: Value | None = module
    while current is not None and len(found) < 12 and not any(current is other for other in found):
        found.append(current)
        part = current.args[0] if current.op == "module_item" and current.args else None
        current = current.owner or part  # `layers[1:]` is a part of what `layers` is a part of
    return found


def part_of(module: Value, whole: Value) -> bool:
    return any(part is whole for part in lineage(module))


def touched(event: Event) -> list[Value]:
    """The modules whose parameters a freeze or unfreeze reaches (their own, not their owners')."""
    if event.target is None:
        return []
    found: list[Value] = []
    for value in event.target.graph(lambda part: part.kind in (Kind.MODULE, Kind.FUNCTION)):
        if value.kind is Kind.MODULE:
            found.extend(roots(value))
    return found


def by_name(event: Event, beside: Frame | None) -> str | bool | None:
    """The word that a parameter's name must hold to be reached: None where all are; False where not known.

    A test under which `beside` lies too decides nothing between the two.
    """
    tests = [
        test
        for test in event.frame.tests(until=event.frame.loop())
        if beside is None or not beside.inside(test)
    ]
    if not tests:
        return None
    if len(tests) == 1 and tests[0].value is not None and not tests[0].guard:
        test, branch = tests[0].value, tests[0].branch
        if (
            test.op == ("in" if branch else "not in")
            and len(test.args) == 2
            and isinstance(test.args[0].const, str)
        ):
            return test.args[0].const if test.args[1].op == "parameter_name" else False
        if test.op == ".startswith" and branch and test.args and isinstance(test.args[0].const, str):
            return test.args[0].const
    return False


def stepped_after(script: ScriptModel, optimizer: Value, time: int) -> bool:
    """Whether this optimizer makes a step later on."""
    return any(
        event.time > time
        and event.target is not None
        and any(part is optimizer for part in roots(event.target))
        for event in script.events_of(EventKind.STEP)
    )


def made_over(script: ScriptModel, modules: list[Value], since: int, until: int) -> bool:
    """Whether a method that cannot be seen may have put new layers into one of them, as adapters are."""
    return any(
        call.op.startswith(".")
        and call.receiver is not None
        and since < call.time < until
        and any(part is module for part in roots(call.receiver) for module in modules)
        for call in script.calls
    )
