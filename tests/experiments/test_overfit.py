"""What a trajectory is called, and when inputs count as used."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from nnlint.capture.plan import Measurement, Step, Trajectory, to_json
from nnlint.capture.supervise import Capture
from nnlint.experiments import baseline
from nnlint.experiments.fit import Fit, falls, level
from nnlint.experiments.overfit import (
    ADAM,
    ANEW,
    FASTER,
    SLOWER,
    TEN,
    Course,
    course,
    learns,
    long_enough,
)
from nnlint.judge import further
from nnlint.rule import Sighting, Skip
from nnlint.rules.overfit_small_batch import OverfitSmallBatch

if TYPE_CHECKING:
    from nnlint.capture.plan import FirstStep
    from nnlint.rule import Rule

random.seed(2)
NOISE = [random.gauss(0, 0.01) for _ in range(200)]


def _fit(losses: list[float], **changed: object) -> Fit:
    values: dict[str, object] = {
        "criteria": ("cross_entropy",),
        "place": None,
        "losses": tuple(losses),
        "chance": 1.1,
        "floor": 0.0,
        "unbounded": "",
        "weight": 1.0,
        "values": tuple(losses),
        "direction": -0.5,
        "optimizers": 1,
        "spread": 0.1,
        "samples": 10,
        "rates": (0.1, 0.1),
        "parameters": 1000,
    }
    return Fit(**{**values, **changed})  # type: ignore[arg-type]


PLATEAU = [1.1 + jump for jump in NOISE]
LEARNT = [1.3 * 0.97**step + jump for step, jump in enumerate(NOISE)]
SLOW = [1.2 * 0.998**step + jump for step, jump in enumerate(NOISE)]
ABOVE = [0.62 + 0.5 * 0.9**step + jump for step, jump in enumerate(NOISE)]
RISING = [1.2 + 0.5 * (1 - 0.9**step) + jump for step, jump in enumerate(NOISE)]
WILD = [3 + 2.5 * math.sin(step * 2.1) for step in range(200)]


@pytest.mark.parametrize(
    ("losses", "ended", "expected"),
    [
        (LEARNT, "steps", Course.LEARNT),
        (SLOW, "steps", Course.FALLS),
        (PLATEAU, "steps", Course.PLATEAUS),
        (ABOVE, "steps", Course.PLATEAUS),
        (RISING, "steps", Course.RISES),
        (WILD, "steps", Course.OSCILLATES),
        ([1.0, 8.0, 700.0, 1e9], "steps", Course.EXPLODES),
        ([1.0, 8.0, math.nan], "not finite", Course.EXPLODES),
        (LEARNT[:8], "seconds", Course.FALLS),
    ],
)
def test_a_trajectory_has_a_name(losses: list[float], ended: str, expected: Course) -> None:
    assert course(_fit(losses), ended) is expected


def test_near_the_floor_is_learnt_wherever_the_floor_is() -> None:
    smoothed = [0.62 + loss / 2 for loss in LEARNT]
    assert course(_fit(smoothed, floor=0.62), "steps") is Course.LEARNT
    assert course(_fit(smoothed), "steps") is not Course.LEARNT


def test_under_a_flipped_sign_the_loss_function_rises_though_the_number_falls() -> None:
    rising = tuple(1.1 + 0.1 * step for step in range(100))
    falling = [-value for value in rising]
    assert _fit(falling, weight=-1.0, values=rising).worsens
    assert not _fit(falling, weight=1.0, values=rising).worsens
    # As many different batches give: it jumps, and goes nowhere.
    assert not _fit(falling, weight=-1.0, values=(1.1, 1.4, 1.0, 1.3, 0.9, 1.2)).worsens


def test_a_second_try_must_come_clearly_further() -> None:
    assert learns(_fit(LEARNT), 0.0)
    assert not learns(_fit(PLATEAU), 0.0)
    assert not learns(_fit(ABOVE), 0.4)
    assert not learns(None, 0.0)


def test_inputs_are_used_where_the_loss_comes_below_chance_or_below_the_zeroed_one() -> None:
    assert baseline.depends(_fit(ABOVE), _fit(PLATEAU))
    assert not baseline.depends(_fit(PLATEAU), _fit([*reversed(PLATEAU)]))
    unknown = {"unbounded": "written by hand", "chance": math.nan, "floor": math.nan}
    assert baseline.depends(_fit(ABOVE, **unknown), _fit(PLATEAU, **unknown))
    assert not baseline.depends(_fit(PLATEAU, **unknown), _fit([*reversed(PLATEAU)], **unknown))


def test_noise_is_no_gain() -> None:
    noisy = [loss + 0.4 * math.sin(step * 2.1) for step, loss in enumerate(PLATEAU)]
    unknown = {"unbounded": "written by hand", "chance": math.nan, "floor": math.nan}
    lower = [loss - 0.15 for loss in noisy]
    assert not baseline.depends(_fit(lower, **unknown), _fit(noisy, **unknown))


def test_levels_and_slopes() -> None:
    assert level([5.0] * 50 + [1.0] * 50) == 1.0
    assert math.isnan(level([]))
    assert falls(SLOW, 0.0)
    assert not falls(PLATEAU, 0.0)


def test_nothing_more_is_run_for_what_a_rule_that_speaks_explains() -> None:
    cause = SimpleNamespace(
        page=SimpleNamespace(name="cause", tiers=("E",)),
        explained_by=(),
        more=lambda _: (),
        check_runs=lambda seen: [Sighting(None, "wrong")] if seen.trajectories else [Skip("nothing yet")],
    )
    doubting = SimpleNamespace(
        page=SimpleNamespace(name="doubting", tiers=("E",)),
        explained_by=("cause",),
        more=lambda _: (ADAM,),
        check_runs=lambda _: [],
    )
    rules = cast("list[Rule]", [cause, doubting])
    step = cast("FirstStep", object())
    assert further(rules, Capture(first_step=step)) == [ADAM]
    spoken = Capture(first_step=step, trajectories={"real": Trajectory("real", "none", (), "steps", 1.0)})
    assert further(rules, spoken) == []
    # What two rules ask for is run once, measured for both.
    both = further([doubting, doubting], Capture(first_step=step))  # type: ignore[list-item]
    assert [(entry.name, entry.meters) for entry in both] == [(ADAM.name, ADAM.meters)]


def test_a_try_cut_short_is_no_evidence() -> None:
    assert not long_enough(None)
    assert not long_enough(_fit(PLATEAU[:30]))
    assert long_enough(_fit(PLATEAU))
    assert long_enough(_fit([1.0, math.inf, math.nan, math.nan, math.nan]))


def _seen(**fits: Fit) -> Capture:
    """A run in which the ten samples and the tries under these names went like this."""
    entries = {"ten": TEN, "slower": SLOWER, "faster": FASTER, "adam": ADAM, "anew": ANEW}
    return Capture(
        trajectories={
            entries[name].name: Trajectory(
                entries[name].name,
                "few",
                tuple(Step(loss, 1.0, 0) for loss in fit.losses),
                "steps",
                1.0,
                (Measurement("fit", to_json(fit)),),
            )
            for name, fit in fits.items()
        }
    )


@pytest.mark.parametrize(
    ("helps", "cause", "confirmed"),
    [
        ("slower", "the rate is too high", "a rate that is too high"),
        ("faster", "the rate is too low", "a rate that is too low"),
        ("", "look at what reaches the loss", ""),
    ],
)
def test_each_cause_is_confirmed_ruled_out_or_open(helps: str, cause: str, confirmed: str) -> None:
    own = WILD if helps == "slower" else PLATEAU
    tries = {
        name: _fit(LEARNT if name == helps else PLATEAU) for name in ("slower", "faster", "adam", "anew")
    }
    (found,) = OverfitSmallBatch().check_runs(_seen(ten=_fit(own), **tries))
    assert isinstance(found, Sighting)
    causes = found.evidence["causes"]
    assert cause in found.message
    assert [name for name, known in causes.items() if known == "confirmed"] == [confirmed] * bool(confirmed)
    # Nobody has looked at the layers, or at the parameters.
    assert causes["frozen parameters"] == causes["dead or saturated units"] == "open"
    assert "ruled out: a flipped sign" in found.message
    assert "frozen" not in found.message


def test_a_loss_function_made_larger_needs_no_bounds() -> None:
    rising = tuple(3.4 + step for step in range(19))
    unknown = {"unbounded": "the targets change from step to step", "chance": math.nan, "floor": math.nan}
    flipped = _fit([-value for value in rising], values=rising, weight=-1.0, **unknown)
    (found,) = OverfitSmallBatch().check_runs(_seen(ten=flipped))
    assert isinstance(found, Sighting)
    assert "`cross_entropy` rises as the loop goes on (3.4 at first, 20.4 after 19 steps)" in found.message
    # Two networks may be at odds.
    (found,) = OverfitSmallBatch().check_runs(_seen(ten=replace(flipped, optimizers=2)))
    assert isinstance(found, Skip)


def test_updates_by_hand_that_change_nothing_are_reported() -> None:
    still = _fit([1.1] * 60, optimizers=0)
    (found,) = OverfitSmallBatch().check_runs(_seen(ten=still))
    assert isinstance(found, Sighting)
    (found,) = OverfitSmallBatch().check_runs(_seen(ten=replace(still, losses=tuple(PLATEAU))))
    assert isinstance(found, Skip)
