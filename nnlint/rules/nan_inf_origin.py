"""See rules/nan-inf-origin.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.health import HEALTH, Broken, of
from nnlint.rule import Rule, Sighting, listed

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.supervise import Capture
    from nnlint.experiments.origin import Origin, Source

# What to write instead, by the operation.
_ADVICE = {
    "log": "keep its input above zero: clamp(min=…), log_softmax, logsigmoid",
    "log2": "keep its input above zero: clamp(min=…)",
    "log10": "keep its input above zero: clamp(min=…)",
    "log1p": "keep its input above -1: clamp(min=…)",
    "sqrt": "add a small number under the root",
    "rsqrt": "add a small number under the root",
    "linalg_vector_norm": "add a small number before the root is taken",
    "norm": "add a small number before the root is taken",
    "pow": "keep the base away from zero: clamp(min=…)",
    "div": "keep the divisor away from zero: clamp(min=…), or add a small number",
    "reciprocal": "keep the divisor away from zero: clamp(min=…), or add a small number",
    "exp": "keep its input small: subtract the maximum, or use logsumexp, softmax or softplus",
    "acos": "keep its input inside of (-1, 1): clamp(-1 + 1e-6, 1 - 1e-6)",
    "asin": "keep its input inside of (-1, 1): clamp(-1 + 1e-6, 1 - 1e-6)",
    "softmax": "leave something unmasked in every row, or fill with a large negative number",
    "log_softmax": "leave something unmasked in every row, or fill with a large negative number",
    "std": "a standard deviation of zero has no slope: add a small number to the variance instead",
    "var": "the variance of a single element is not defined: use correction=0",
}
# float32 ends at 3e38; what has come this far was on its way there.
_HUGE = 1e12


class NanInfOrigin(Rule):
    continuations = (HEALTH,)
    explained_by = ("target-out-of-range",)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        health = of(seen)
        if health is None or health.broken is None:
            return
        broken, origin = health.broken, health.origin
        built = next((stepper.place for stepper in health.steppers if stepper.place), None)
        step = f"in step {broken.step + 1}"
        evidence: dict[str, object] = {"step": broken.step + 1, "broken": broken.what}
        if origin is None:
            yield Sighting(broken.place or built, _unlocated(broken, step), evidence=evidence)
            return
        source = origin.source
        evidence |= {"operation": source.op, "inputs": list(source.ranges), "module": source.module}
        where = "differentiated here" if broken.what == "loss" else "the optimizer steps with it here"
        related = [(broken.place, where)] if broken.place else []
        if source.given == "parameter":
            message = f"{step} `{source.name}` is not finite any more: the update before has made it so"
            yield Sighting(built or broken.place, f"{message}; {_LOWER}", evidence=evidence)
        elif source.given:
            what = {"batch": "the batch", "buffer": f"the buffer `{source.name}`"}.get(
                source.given, "a value"
            )
            yield Sighting(
                source.place or broken.place,
                f"{step} {what} that is used here holds {_kind(source)} already, and {_AFTER}; repair "
                "or leave out these samples before training",
                evidence=evidence,
            )
        elif _grown(source) and built is not None:
            place: list[tuple[Place | None, str]] = [(source.place, f"`{source.op}` overflows here")]
            yield Sighting(
                built,
                f"training with this optimizer diverges: {step} the values have grown to "
                f"{_largest(source):.0e} and `{source.op}` overflows; {_LOWER}",
                related=tuple(place),
                evidence=evidence,
            )
        else:
            yield Sighting(source.place, _said(origin, step), tuple(related), evidence=evidence)


_LOWER = "lower the learning rate, clip the gradients, or begin with a warm-up"
_AFTER = "loss and weights are lost from there on"


def _said(origin: Origin, step: str) -> str:
    source = origin.source
    inside = f" (in `{source.module}`)" if source.module else ""
    given = f" of {source.ranges[-1]}" if source.ranges else ""
    advice = _ADVICE.get(source.op, "keep its input within the range in which it is finite")
    if source.backward:
        return (
            f"{step} the slope of `{source.op}` here{inside} is {_kind(source)}, so the gradients are lost "
            f"though the loss need not be, and the weights with them; {advice}"
        )
    then = f", of which `{origin.then.op}` makes NaN" if origin.then else ""
    return f"{step} `{source.op}` makes {_kind(source)}{given} here{inside}{then}: {_AFTER}; {advice}"


def _unlocated(broken: Broken, step: str) -> str:
    if broken.what == "weight":
        return (
            f"an update has made {listed(broken.names)} NaN or Inf though the gradients are finite; {_LOWER}"
        )
    what = "the loss" if broken.what == "loss" else f"the gradient of {listed(broken.names)}"
    return (
        f"{step} {what} is NaN or Inf, and {_AFTER}; look for a log, a division or a root that meets zero, "
        "and for values that grow from step to step"
    )


def _kind(source: Source) -> str:
    return "NaN" if source.nan else "Inf"


def _grown(source: Source) -> bool:
    return source.op != "div" and _largest(source) > _HUGE


def _largest(source: Source) -> float:
    ends = [abs(float(end)) for entry in source.ranges for end in entry.split(" to ")]
    return max((end for end in ends if end < float("inf")), default=0.0)
