"""See rules/overfit-small-batch.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from nnlint.experiments import overfit
from nnlint.experiments.fit import CONSTANT, Fit, level, stands_still
from nnlint.experiments.health import HEALTH
from nnlint.experiments.overfit import ADAM, ANEW, FASTER, SLOWER, TEN, WHOLE, Course, fit_of, learns
from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting, Skip
from nnlint.rules.dead_units import DeadUnits

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation, FirstStep, Root
    from nnlint.capture.supervise import Capture

# What a loop that goes uphill may also show.
_FOLLOWS = (
    "nan-inf-origin", "vanishing-exploding-gradient", "dead-update", "dead-units", "loss-not-chance-at-init",
    "suspicious-learning-rate", "input-independent-baseline", "simple-baseline",
)  # fmt: skip
# Fewer numbers than this for each sample need not be able to hold the samples.
_PARAMETERS = 10
# Updates that point along the gradient by more than this go uphill.
_UPHILL = 0.05


class OverfitSmallBatch(Rule):
    continuations = (TEN,)
    explained_by = (
        "input-independent-baseline", "loss-broadcast", "output-shape", "activation-before-cross-entropy",
        "nll-without-log-softmax", "bce-mismatch", "swapped-loss-arguments", "non-differentiable-loss",
        "single-logit-cross-entropy", "target-out-of-range", "constant-init", "dead-update", "dead-units",
        "everything-frozen", "optimizer-misses-parameters", "exhausted-group", "step-order", "nan-inf-origin",
        "vanishing-exploding-gradient", "missing-zero-grad", "softmax-dim", "final-activation",
    )  # fmt: skip

    def more(self, seen: Capture) -> tuple[Continuation, ...]:
        trajectory = overfit.base(seen.trajectories)
        if trajectory is None:
            return (WHOLE,)
        fit = trajectory.measure(Fit)
        if (
            fit is None
            or fit.weight < 0
            or _not_for(fit)
            or _frozen(fit, seen.first_step)
            or trajectory.name != TEN.name
            or fit.direction > _UPHILL
        ):
            return ()
        if fit.optimizers == 0:
            return ()
        failed = overfit.course(fit, trajectory.ended) not in (Course.LEARNT, Course.FALLS)
        return (SLOWER, FASTER, ADAM, ANEW) if failed else ()

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        trajectory = overfit.base(seen.trajectories)
        fit = trajectory.measure(Fit) if trajectory is not None else None
        if trajectory is None or fit is None:
            first = seen.trajectories.get(TEN.name)
            why = f": {first.ended}" if first is not None else ""
            yield Skip(f"the loop could not be continued with ten samples{why}")
            return
        if fit.weight < 0:
            yield _flipped(fit, seen.first_step)
            return
        if why := _not_for(fit):
            yield Skip(why)
            return
        course = overfit.course(fit, trajectory.ended)
        steps = len(fit.losses)
        if course is Course.LEARNT:
            return
        if fit.direction > _UPHILL and course is not Course.FALLS:
            cause = (
                "each step goes along the gradient and not against it (gradient ascent): look for "
                "`maximize=True`, a negative rate, or an update with a plus sign"
            )
            # All that goes wrong in such a run follows from it.
            yield self._sighting(fit, course, cause, Severity.ERROR, _FOLLOWS)
        elif why := _frozen(fit, seen.first_step):
            yield Skip(why)
        elif steps < overfit.LEAST and course is not Course.EXPLODES:
            yield Skip(f"the loop ended after {steps} updates, too few to tell")
        elif course is Course.FALLS:
            yield Skip(f"the loss of ten samples still falls after {steps} steps ({_from_to(fit)})")
        elif trajectory.name != TEN.name:
            yield Skip(f"the loop takes no smaller batch, and the loss of the whole one {course.value}")
        else:
            yield from self._judge(seen, fit, course)

    def _judge(self, seen: Capture, fit: Fit, course: Course) -> Iterator[Sighting | Skip]:
        tries = {entry: fit_of(seen.trajectories, entry) for entry in (SLOWER, FASTER, ADAM, ANEW)}
        if fit.optimizers == 0:
            if course is Course.PLATEAUS and stands_still(fit.losses):
                cause = (
                    "the updates by hand change nothing: look at the rate, for `.detach()` or a copy before "
                    "the update, and for gradients that are too small"
                )
                yield self._sighting(fit, course, cause, None)
            else:
                yield Skip("the loop updates by hand, so that no other rate or optimizer can be tried")
            return
        if not all(overfit.long_enough(tries[entry]) for entry in (ADAM, ANEW, SLOWER)):
            yield Skip("too little could be run to tell why ten samples are not learnt")
            return
        learnt = {entry: learns(found, fit.reached) for entry, found in tries.items()}
        for found in self._named(fit, course, tries, learnt):
            yield _with_causes(found, _causes(seen, fit, learnt)) if isinstance(found, Sighting) else found

    def _named(
        self,
        fit: Fit,
        course: Course,
        tries: dict[Continuation, Fit | None],
        learnt: dict[Continuation, bool],
    ) -> Iterator[Sighting | Skip]:
        """The failure by what has helped against it."""
        wild = course is not Course.PLATEAUS
        if learnt[SLOWER] and wild:
            cause = (
                f"at a tenth of the learning rate ({fit.rates[0] / 10:.3g}) it learns: the rate is too high"
            )
            yield self._sighting(fit, course, cause, Severity.ERROR if course is Course.EXPLODES else None)
        elif learnt[FASTER]:
            if len(fit.rates) > 1 and fit.rates[-1] > 1.2 * fit.rates[0]:
                yield Skip("the learning rate is still being warmed up")
                return
            cause = f"at ten times the learning rate ({fit.rates[0] * 10:.3g}) it learns: the rate is too low"
            yield self._sighting(fit, course, cause, Severity.WARNING)
        elif learnt[ADAM] or learnt[SLOWER]:
            cause = "with Adam at 0.003 it learns: look at the optimizer, its rate and its weight decay"
            yield self._sighting(fit, course, cause, Severity.WARNING)
        elif learnt[ANEW]:
            cause = (
                "with its layers initialised anew it learns: look at how they are initialised, and for units "
                "that are dead from the start"
            )
            yield self._sighting(fit, course, cause, Severity.WARNING)
        elif fit.parameters < _PARAMETERS * max(fit.samples, 1) and fit.reached > -CONSTANT:
            yield Skip(f"{fit.parameters} parameters need not be able to hold {fit.samples} targets")
        elif _falls_on(tries[ADAM]) or _falls_on(tries[ANEW]):
            yield Skip(f"the loss of ten samples {course.value}, and falls slowly with another optimizer")
        elif fit.reached < CONSTANT:
            cause = (
                "neither another rate, Adam nor a new initialisation helps: look at what reaches the loss "
                "(the right output, not detached?), and for inputs that are lost on the way"
            )
            yield self._sighting(fit, course, cause, Severity.ERROR)
        else:
            cause = (
                "neither another rate, Adam nor a new initialisation gets further: look for an activation "
                "that limits the output, and for inputs that are alike"
            )
            yield self._sighting(fit, course, cause, Severity.WARNING)

    def _sighting(
        self,
        fit: Fit,
        course: Course,
        cause: str,
        severity: Severity | None,
        explains: tuple[str, ...] = (),
    ) -> Sighting:
        return Sighting(
            fit.place,
            f"the same {_samples(fit)} again and again, without dropout: the loss {course.value} "
            f"({_from_to(fit)}; a constant prediction gives {fit.chance:.3g}, the lowest is "
            f"{fit.floor:.3g}); {cause}",
            severity=severity or Severity.WARNING,
            evidence={
                "course": course.value,
                "chance": fit.chance,
                "floor": fit.floor,
                "reached": fit.reached if math.isfinite(fit.reached) else None,
                "steps": len(fit.losses),
            },
            explains=explains,
        )


def _causes(seen: Capture, fit: Fit, learnt: dict[Continuation, bool]) -> dict[str, str]:
    """What it can come from, in the order in which to check: "confirmed", "ruled out", or else open."""
    parameters = [entry for root in _roots(seen.first_step) for entry in root.parameters]
    stepped = bool(parameters) and all(entry.requires_grad and entry.optimizers for entry in parameters)
    health = HEALTH.name in seen.trajectories
    # What is at hand says no to these: the loss was followed with the same targets, without dropout.
    found: dict[str, bool | None] = {
        "a flipped sign": False if fit.direction <= _UPHILL else None,
        "a rate that is too high": learnt[SLOWER] and not learnt[FASTER],
        "a rate that is too low": learnt[FASTER] and not learnt[SLOWER],
        "frozen parameters": False if stepped else None,
        "dead or saturated units": any(DeadUnits().check_runs(seen)) if health else None,
        "targets that change": False,
        "dropout": False,
        "weight decay": None if learnt[ADAM] else False,
    }
    words = {None: "open", True: "confirmed", False: "ruled out"}
    return {cause: words[known] for cause, known in found.items()}


def _with_causes(found: Sighting, causes: dict[str, str]) -> Sighting:
    named = ", ".join(cause for cause, known in causes.items() if known == "ruled out")
    return replace(
        found,
        message=f"{found.message}; ruled out: {named}",
        evidence={**found.evidence, "causes": causes},
    )


def _samples(fit: Fit) -> str:
    return "ten samples" if fit.samples >= overfit.SAMPLES else f"{fit.samples} samples"


def _from_to(fit: Fit) -> str:
    return f"{fit.losses[0]:.3g} at first, {level(fit.losses):.3g} after {len(fit.losses)} steps"


def _not_for(fit: Fit) -> str:
    """Why the experiment does not apply; empty if it does."""
    if fit.optimizers > 1:
        return "several optimizers step, and one loss does not speak for all of them"
    if fit.unbounded:
        return f"it is not known how low this loss can get: {fit.unbounded}"
    return ""


def _frozen(fit: Fit, step: FirstStep | None) -> str:
    """Why the model need not be able to learn the samples; empty if it must be."""
    frozen = [
        parameter for root in _roots(step) for parameter in root.parameters if not parameter.requires_grad
    ]
    if frozen and fit.reached > -1:
        total = sum(math.prod(parameter.shape) for parameter in frozen)
        if total > fit.parameters:
            return "most of the model is frozen"
    return ""


def _roots(step: FirstStep | None) -> tuple[Root, ...]:
    return step.roots if step else ()


def _flipped(fit: Fit, step: FirstStep | None) -> Sighting | Skip:
    """Whether a loss function is made larger by mistake: that needs no bounds, and not the same samples."""
    names = " and ".join(f"`{name}`" for name in fit.criteria) or "the error that the loss is made of"
    minus = names if fit.criteria else "it"
    if fit.optimizers > 1:
        return Skip(f"{names} is made larger, and several optimizers step: two networks may be at odds")
    if any(root.parameters and not any(entry.changed for entry in root.parameters) for root in _roots(step)):
        return Skip(f"{names} is made larger for a network that is not trained here: an attack on it")
    if not fit.worsens:
        return Skip(f"{names} enters the loss with a minus, and does not rise")
    return Sighting(
        fit.place,
        f"{names} rises as the loop goes on ({fit.values[0]:.3g} at first, {level(fit.values):.3g} after "
        f"{len(fit.values)} steps): `backward` is called on minus {minus}, so each step makes the "
        "predictions worse: the sign is flipped",
        severity=Severity.ERROR,
        evidence={"course": Course.RISES.value, "steps": len(fit.values)},
        explains=_FOLLOWS,
    )


def _falls_on(fit: Fit | None) -> bool:
    return fit is not None and not fit.unbounded and overfit.course(fit, "steps") is Course.FALLS
