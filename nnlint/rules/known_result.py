"""See rules/known-result.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.reference import (
    Agreement,
    Comparison,
    Event,
    Parting,
    Settings,
    Weight,
    part,
    rescaled,
    unmatched,
)
from nnlint.rule import Outcome, Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.supervise import Capture

# A factor between two losses that is this near to a whole number is one.
_WHOLE = 1e-3


class KnownResult(Rule):
    def check_runs(self, seen: Capture) -> Iterator[Sighting | Outcome]:
        comparison = seen.comparison
        if comparison is None:
            # It was not asked for, or could not be made, which the run says.
            return
        if (pair := unmatched(comparison)) is not None:
            one, two = (
                f"`{weight.name}` {list(weight.sketch.shape)}" if weight else "none" for weight in pair
            )
            yield Sighting(
                _called(comparison.ours.turns[0].events),
                f"the parameters of the two models do not match: the first that differ are {one} here and "
                f"{two} in {comparison.names[1]}, so their layers cannot be compared; give both the same "
                "layers, in the same order or with the same names",
                related=((_called(comparison.theirs.turns[0].events), "the other model is called here"),),
                evidence={"step": 0, "ours": one, "theirs": two},
            )
            return
        scales = list(rescaled(comparison))
        if scales:
            yield self._scales(comparison, scales)
        found = part(comparison)
        yield self._parting(comparison, found) if isinstance(found, Parting) else _agree(comparison, found)

    def _scales(self, comparison: Comparison, scales: list[tuple[Weight, float, float]]) -> Sighting:
        told = ", ".join(
            f"`{weight.name}` at {ours:.2g} here and {theirs:.2g} there"
            for weight, ours, theirs in scales[:3]
        )
        more = f" and {len(scales) - 3} more" if scales[3:] else ""
        return Sighting(
            _called(comparison.ours.turns[0].events),
            f"the weights begin on another scale than in {comparison.names[1]} (root mean square): {told}"
            f"{more}; look for an initialisation that only one of them has (for what follows, both were "
            "given the same weights)",
            evidence={"scales": len(scales)},
        )

    def _parting(self, comparison: Comparison, found: Parting) -> Sighting:
        ours, theirs = found.ours, found.theirs
        other = comparison.names[1]
        size = (
            f"{list(ours.sketch.shape)} against {list(theirs.sketch.shape)}"
            if found.apart == math.inf and ours.sketch.shape != theirs.sketch.shape
            else "not finite in one of them"
            if found.apart == math.inf
            else f"by {found.apart:.2g} of their size"
        )
        return Sighting(
            ours.place,
            f"at step {found.step} {_what(ours)} parts from {_what(theirs)} in {other} ({size}), "
            f"{_why(comparison, found)}",
            related=((theirs.place, f"{_what(theirs)} in {other}"),),
            evidence={
                "step": found.step,
                "kind": ours.kind,
                "ours": ours.name,
                "theirs": theirs.name,
                "apart": found.apart if math.isfinite(found.apart) else None,
            },
        )


def _what(event: Event) -> str:
    kind = event.class_name
    shown = f"`{event.name}`{f' ({kind})' if kind and kind != event.name else ''}"
    return {
        "input": f"what enters {shown}",
        "output": f"the output of {shown}",
        "result": f"the result of {shown}",
        "loss": "the loss",
        "gradient": f"the gradient of {shown}",
        "update": f"the update of {shown}",
    }[event.kind]


def _why(comparison: Comparison, found: Parting) -> str:
    kind = found.ours.kind
    before = f"{_what(found.agreed)} agrees" if found.agreed is not None else ""
    if found.step > 1 and not before:
        before = f"all of step {found.step - 1} agrees"
    if kind == "input" and not before:
        return _batches(comparison)
    if kind == "input":
        return f"while {before}: look at what lies between, as activations, normalisation and reshapes"
    if kind == "output":
        return (
            "while what enters it and its weights agree: look at how it is made (eps, padding, bias, "
            "momentum, the number of heads) and at its mode"
        )
    if kind == "result":
        return f"while {before}: look at what follows the last layer"
    if kind == "loss":
        return _loss(found, before)
    if kind == "gradient":
        if not (found.ours.sketch.norm and found.theirs.sketch.norm):
            where = "here" if not found.ours.sketch.norm else f"in {comparison.names[1]}"
            return (
                f"while the loss agrees: {where} it gets no gradient; look for `detach`, `no_grad` and "
                "frozen parameters"
            )
        if math.isfinite(found.factor):
            return (
                f"and all gradients do by the same factor of {found.factor:.3g}, while the loss agrees: look "
                "at clipping, loss scaling, accumulation, and gradients that are not cleared"
            )
        return "while the loss agrees: look for `detach`, `no_grad` or frozen parameters, and for clipping"
    return _optimizers(comparison, found)


def _batches(comparison: Comparison) -> str:
    ours, theirs = (
        [event.sketch for event in run.turns[0].events if event.kind == "batch"]
        for run in (comparison.ours, comparison.theirs)
    )
    if (
        ours
        and len(ours) == len(theirs)
        and all(one.apart(two) < 1e-6 for one, two in zip(ours, theirs, strict=True))
    ):
        return "while the batches agree: look at what is done to the input before the first layer"
    return (
        "and so do the batches: both must load the same samples in the same order, with the same "
        "preprocessing (the same seed is set whenever a loader begins; a generator of its own, or "
        "augmentation, can differ)"
    )


def _loss(found: Parting, before: str) -> str:
    one, two = (event.sketch.norm for event in (found.ours, found.theirs))
    told = f"{one:.4g} against {two:.4g}"
    ratio = max(one, two) / min(one, two) if min(one, two) > 0 else math.nan
    if math.isfinite(ratio) and ratio > 1.5 and abs(ratio - round(ratio)) < _WHOLE * ratio:
        return (
            f"{told}, a factor of {round(ratio)}, while {before or 'what led to it agrees'}: look at its "
            "reduction (a sum against a mean), and at what it is divided by"
        )
    led = before or "what led to it agrees"
    return f"{told}, while {led}: look at the loss function, its weights and targets"


def _optimizers(comparison: Comparison, found: Parting) -> str:
    step = found.step - 1
    ours, theirs = (run.optimizers[run.turns[step].optimizer] for run in (comparison.ours, comparison.theirs))
    return f"while its gradient agrees: look at the optimizer{_differences(ours, theirs)}"


def _differences(ours: Settings, theirs: Settings) -> str:
    if ours.class_name != theirs.class_name:
        return f" ({ours.class_name} here, {theirs.class_name} there)"
    names = [
        f"{name}={ours.numbers[name]:g} here, {theirs.numbers[name]:g} there"
        for name in ours.numbers
        if name in theirs.numbers and ours.numbers[name] != theirs.numbers[name]
    ]
    return f" ({'; '.join(names[:4])})" if names else " and its schedule"


def _agree(comparison: Comparison, found: Agreement) -> Outcome:
    copied = ", the second with the weights of the first" if comparison.theirs.before else ""
    compared = "losses" if set(found.kinds) == {"loss"} else f"{found.tensors} tensors"
    settings = [
        _differences(one, two)
        for one, two in zip(comparison.ours.optimizers, comparison.theirs.optimizers, strict=False)
    ]
    other = next((text for text in settings if text.startswith(" (")), "")
    return Outcome(
        f"{comparison.names[0]} and {comparison.names[1]} agree for {found.steps} steps{copied}: {compared}, "
        f"to {found.drift:.1g} of their size forward{f'; their optimizers differ{other}' if other else ''}",
        {"steps": found.steps, "tensors": found.tensors, "drift": found.drift, "kinds": dict(found.kinds)},
    )


def _called(events: tuple[Event, ...]) -> Place | None:
    """Where the first model is called."""
    return next((event.place for event in events if event.kind in ("result", "loss")), None)
