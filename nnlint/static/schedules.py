"""Learning-rate schedulers: what they count, and how the script uses them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from nnlint.static.arguments import argument, constant
from nnlint.static.state import roots
from nnlint.static.updates import touches
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

TORCH = "torch.optim.lr_scheduler."
# Counting arguments, by scheduler.
LENGTHS = {
    "OneCycleLR": ("total_steps", "steps_per_epoch"), "CyclicLR": ("step_size_up",),
    "CosineAnnealingLR": ("T_max",), "LinearLR": ("total_iters",), "PolynomialLR": ("total_iters",),
    "StepLR": ("step_size",), "get_linear_schedule_with_warmup": ("num_training_steps",),
    "get_cosine_schedule_with_warmup": ("num_training_steps",), "get_scheduler": ("num_training_steps",),
    "get_polynomial_decay_schedule_with_warmup": ("num_training_steps",),
}  # fmt: skip
# A decay that no one can mean after so few batches.
FEW_BATCHES = 50
STEEP = 0.5
# Repeated at every batch this leaves less than a millionth after 700 batches.
FADES = 0.98


class Unit(Enum):
    """What one `step()` of a schedule stands for."""

    BATCH = "batch"
    EPOCH = "epoch"
    UNKNOWN = "unknown"


def made_by(scheduler: Value) -> str:
    """`StepLR`."""
    return scheduler.op.rpartition(".")[2]


def is_plateau(scheduler: Value) -> bool:
    return scheduler.op == f"{TORCH}ReduceLROnPlateau"


def scheduled(scheduler: Value) -> bool:
    """Whether the file shows it to be one of torch's (or transformers') schedulers that count their steps."""
    parts = roots(scheduler)
    return bool(parts) and all(
        part.kind is Kind.SCHEDULER
        and not is_plateau(part)
        and (
            (part.op.startswith(TORCH) and made_by(part)[:1].isupper())
            or (part.op.startswith("transformers.") and "get_" in part.op)
        )
        for part in parts
    )


def unit_of(scheduler: Value, loop: Frame | None) -> tuple[Unit, str]:
    """What the schedule surely counts, and what shows it."""
    name = made_by(scheduler)
    if not (scheduler.op.startswith(TORCH) or scheduler.op.startswith("transformers.")):
        return Unit.UNKNOWN, ""
    for length in LENGTHS.get(name, ()):
        value = argument(scheduler, length)
        if value is not None and _counts_batches(value):
            return Unit.BATCH, f"`{length}` is computed from the loader's length"
    if name == "CyclicLR" and constant(scheduler, "step_size_up", 2000) == 2000 and len(scheduler.args) < 4:
        return Unit.BATCH, "a half cycle is 2000 of its steps"
    if name == "StepLR":
        size, gamma = constant(scheduler, "step_size"), constant(scheduler, "gamma", 0.1)
        if isinstance(size, int) and isinstance(gamma, float) and size <= FEW_BATCHES and gamma <= STEEP:
            return Unit.EPOCH, f"{gamma:g} times the rate every {size} steps"
    if name == "ExponentialLR":
        gamma = constant(scheduler, "gamma")
        if isinstance(gamma, float) and 0 < gamma <= FADES:
            return Unit.EPOCH, f"{gamma:g} times the rate every step"
    if is_plateau(scheduler):
        patience = constant(scheduler, "patience", 10)
        if isinstance(patience, int) and patience <= FEW_BATCHES:
            return Unit.EPOCH, f"it waits for {patience} steps without improvement"
    if name == "MultiStepLR":
        gamma, given = constant(scheduler, "gamma", 0.1), argument(scheduler, "milestones")
        items = (
            [item.const for item in given.args] if given is not None and given.kind is Kind.SEQUENCE else []
        )
        if (
            items
            and all(type(item) is int and item <= 4 * FEW_BATCHES for item in items)
            and isinstance(gamma, float)
            and gamma <= STEEP
        ):
            return Unit.EPOCH, f"its milestones are {', '.join(map(str, items))}"
    if name == "CosineAnnealingLR" and loop is not None:
        period = argument(scheduler, "T_max")
        if period is not None and _is_range_of(
            period, loop.parent.loop() if loop.parent is not None else None
        ):
            return Unit.EPOCH, "`T_max` is the number of epochs"
    return Unit.UNKNOWN, ""


def per_epoch_of(script: ScriptModel, step: Event, scheduler: Value) -> Frame | None:
    """The loop over batches, inside the loop that steps the scheduler, that steps its optimizer."""
    loop = step.frame.loop()
    optimizer = scheduler.args[0] if scheduler.args else scheduler.kwargs.get("optimizer")
    for event in script.events_of(EventKind.STEP):
        inner = event.frame.loop()
        if inner is None or inner is loop or loop is None or not inner.inside(loop) or event.target is None:
            continue
        found = next((p for p in script.passes if p.frame is inner), None)
        if (
            found is not None
            and found.loader is not None
            and (optimizer is None or touches(optimizer, event.target))
        ):
            return inner
    return None


def leaves_sight(script: ScriptModel, scheduler: Value) -> bool:
    """Whether something other than a visible `step()` may advance it: it is handed on, returned or kept."""
    name = scheduler.name.rpartition(".")[2]
    if name and script.uses_of(name) & {"step", "step_update"}:
        return True
    for call in script.calls:
        if call is not scheduler and any(
            _holds(value, scheduler) for value in (*call.args, *call.kwargs.values())
        ):
            return True
    for fact in script.facts:
        if fact.kind in {"return", "subscript"} and _holds(fact.value, scheduler):
            return True
        if fact.kind == "attribute" and _holds(fact.value, scheduler):
            cls = fact.owner.cls if fact.owner is not None else None
            if cls is None or not cls.fully_seen() or cls.is_lightning:
                return True
    return False


def _holds(value: Value, wanted: Value, depth: int = 0) -> bool:
    if depth > 4:
        return False
    return any(
        part is wanted
        or (
            part.kind in (Kind.SEQUENCE, Kind.MAPPING)
            and any(_holds(item, wanted, depth + 1) for item in (*part.args, *part.attrs.values()))
        )
        for part in roots(value)
    )


def _counts_batches(value: Value) -> bool:
    """Whether a number is computed from `len(loader)`."""
    return any(
        part.op == "builtins.len"
        and part.args
        and any(source.kind is Kind.LOADER for source in part.args[0].alternatives())
        for part in value.graph()
    )


def _is_range_of(length: Value, loop: Frame | None) -> bool:
    """Whether the loop runs `range(length)`."""
    iterated = loop.value if loop is not None else None
    if iterated is None or iterated.op != "range" or not iterated.args:
        return False
    end = iterated.args[1] if len(iterated.args) > 1 else iterated.args[0]
    if end.kind is Kind.CONST:
        return length.kind is Kind.CONST and length.const == end.const
    return end is length
