"""See rules/dead-update.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import mean, median
from typing import TYPE_CHECKING

from nnlint.experiments.health import HEALTH, Health, Weight, matrices, of, update_ratio
from nnlint.experiments.loops import LATER
from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting, listed

if TYPE_CHECKING:
    from nnlint.capture.plan import FirstStep
    from nnlint.capture.supervise import Capture

# The healthy figure is near 1e-3. Single layers of sound scripts showed up to 0.13, and LBFGS more; over
# the first four steps alone, up to 0.3. Weights grow under large steps, and the ratio then falls.
_LARGE, _VERY_LARGE = 0.1, 0.3
_EARLY, _LARGE_EARLY = 4, 0.5
# A first step of so many times the weights leaves nothing of them, and those after it are measured against
# what it has made.
_REPLACED = 10.0
_SMALL = 1e-6
# A gradient so much smaller than the largest one is rounding.
_ROUNDING = 1e-6
# Loss at the end to loss at the beginning: above this, the large steps have brought nothing.
_NO_PROGRESS = 0.95
_STEPS = 10
# In half precision, the share of elements that ten steps and more must have moved.
_MOVED = 0.5


class DeadUpdate(Rule):
    continuations = (HEALTH, LATER)
    explained_by = ("nan-inf-origin", "vanishing-exploding-gradient")

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        found = [sighting for step in seen.first_steps for sighting in _still(step)]
        health = of(seen)
        if health is not None and health.broken is None and not found:
            found = [*_coarse(health), *_ratios(seen, health)]
        yield from found[:1]


def _still(step: FirstStep) -> Iterator[Sighting]:
    """Parameters that the first step has left exactly as they were."""
    stepped = [(root, parameter) for root in step.roots for parameter in root.parameters if parameter.steps]
    largest = max((parameter.grad_norm for _, parameter in stepped if parameter.finite), default=0.0)
    due = [
        (root, parameter)
        for root, parameter in stepped
        # A rate of zero is how a warm-up may begin, and nothing moves along a gradient of zero, or of what
        # rounding leaves of zero (the bias that a batch norm takes away again).
        if parameter.lr > 0 and parameter.grad_norm > _ROUNDING * largest and parameter.finite
    ]
    still = [(root, parameter) for root, parameter in due if not parameter.changed]
    # Where nothing moved at all, the optimizer may only act on some of its calls.
    if not still or (len(still) == len(due) and not _plain(step.optimizers)):
        return
    names = [parameter.name for _, parameter in still]
    place = next(
        (
            step.optimizers[number].place
            for _, parameter in still
            for number in parameter.optimizers
            if step.optimizers[number].place
        ),
        step.place,
    )
    smallest = min(parameter.lr * parameter.grad_norm for _, parameter in still)
    yield Sighting(
        place,
        f"{listed(names)} had a gradient and did not change when the optimizer stepped: the update is "
        "smaller than the precision of the weights; raise the learning rate, or keep the weights in "
        "float32",
        evidence={
            "parameters": names,
            "lr": still[0][1].lr,
            "lr * gradient norm": smallest if math.isfinite(smallest) else None,
        },
    )


def _ratios(seen: Capture, health: Health) -> Iterator[Sighting]:
    """Updates out of proportion to the weights, as long as they are measured."""
    for place in dict.fromkeys(weight.place for weight in health.weights):
        ratios = {
            weight.name: ratio
            for weight in matrices(health)
            if weight.place == place
            and weight.optimizer != "LBFGS"
            and (ratio := update_ratio(weight)) is not None
        }
        weights = [weight for weight in matrices(health) if weight.name in ratios and weight.place == place]
        if not ratios:
            continue
        evidence = {"update to weight": ratios, "lr": weights[0].rates[-1]}
        typically = median(ratios.values())
        early = median(update_ratio(weight, _EARLY) or 0.0 for weight in weights)
        first = _first(weights)
        large = typically > _LARGE and max(ratios.values()) > _VERY_LARGE
        if first > _REPLACED:
            progress = _progress(seen)
            yield Sighting(
                place,
                f"the first step alone is {first:.3g} times as large as the weights (sound: about 0.001): "
                "nothing is left of their initialisation"
                f"{'' if progress else ', and the loss does not fall'}; the rate of "
                f"{weights[0].rates[0]:g} is too large: divide it by ten until the step is a small part of "
                "the weights",
                severity=Severity.WARNING if progress else None,
                evidence={"first update to weight": first, **evidence},
            )
        elif (large or early > _LARGE_EARLY) and not _progress(seen):
            yield Sighting(
                place,
                f"each step changes the weights by {max(early, typically):.0%} of their norm (sound: "
                f"about 0.1 %), and the loss does not fall: the rate of {weights[0].rates[-1]:g} is too "
                "large; divide it by ten until it falls",
                evidence=evidence,
            )
        elif max(ratios.values()) < _SMALL and not any(_rising(weight) for weight in weights):
            yield Sighting(
                place,
                f"each step changes the weights by less than a millionth of their norm (at most "
                f"{max(ratios.values()):.0e}; sound: about 1e-3): at this pace nothing is learned; raise "
                f"the learning rate of {weights[0].rates[-1]:g}, or look for what makes the gradients small",
                evidence=evidence,
            )


def _first(weights: list[Weight]) -> float:
    """The first update as a multiple of the weights, for the typical one; 0 where they begin at zero."""
    return median(weight.updates[0] / weight.norms[0] if weight.norms[0] > 0 else 0.0 for weight in weights)


def _coarse(health: Health) -> Iterator[Sighting]:
    """Half-precision weights of which most elements never move."""
    rough = [
        weight
        for weight in matrices(health)
        if weight.dtype in ("bfloat16", "float16") and len(weight.updates) >= _STEPS and weight.rates[-1] > 0
    ]
    stuck = [weight for weight in rough if weight.moved < _MOVED]
    if stuck and 2 * len(stuck) > len(rough):
        moved = median(weight.moved for weight in stuck)
        yield Sighting(
            stuck[0].place,
            f"of the {stuck[0].dtype} weights {listed([weight.name for weight in stuck])} only {moved:.0%} "
            "of the elements that had a gradient have changed in the whole run: their updates are smaller "
            "than the type's precision; keep the weights in float32 and let autocast compute in half "
            "precision",
            evidence={"moved": {weight.name: weight.moved for weight in rough}},
        )


def _progress(seen: Capture) -> bool:
    """Whether the loss falls. With several optimizers, or too few steps, nobody knows."""
    steps = seen.trajectories[HEALTH.name].steps
    losses = [step.loss for step in steps]
    if len({step.optimizer for step in steps}) > 1 or len(losses) < _STEPS:
        return True
    # The very first one: too large a step soon makes a loss from which there is much to fall.
    return mean(losses[-max(1, len(losses) // 5) :]) < _NO_PROGRESS * losses[0]


def _rising(weight: Weight) -> bool:
    """Whether this is a warm-up."""
    return weight.rates[-1] > 2 * weight.rates[0] or weight.rates[-1] == 0


def _plain(optimizers: tuple[object, ...]) -> bool:
    """Whether every optimizer is one of torch.optim's, which act on each call."""
    return all(getattr(optimizer, "class_name", "") in _TORCH for optimizer in optimizers)


_TORCH = frozenset(
    {"SGD", "Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "NAdam", "RAdam", "ASGD"}
)
