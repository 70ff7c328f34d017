"""The arithmetic of the regularisation audit and of the simple baselines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnlint.capture.plan import Step, Trajectory
from nnlint.experiments.regularisation import HELD, PLAIN, ends, stands
from nnlint.experiments.rivals import Rivals, stalled


def _trajectories(held: list[float], plain: list[float], ended: str = "steps") -> dict[str, Trajectory]:
    return {
        name: Trajectory(name, "", tuple(Step(loss, 1.0, 0) for loss in losses), ended, 1.0)
        for name, losses in ((HELD.name, held), (PLAIN.name, plain))
    }


def test_the_ends_are_means_of_the_last_steps() -> None:
    falling = [2.0 - 0.03 * at for at in range(60)]
    found = ends(_trajectories([2.0] * 60, falling))
    assert found is not None
    assert (found.first, found.held, found.noise) == (2.0, 2.0, 0.0)
    assert found.plain == pytest.approx(sum(falling[-10:]) / 10)


@pytest.mark.parametrize("ended", ["not finite", "seconds"])
def test_a_loop_that_ended_early_tells_nothing(ended: str) -> None:
    assert ends(_trajectories([2.0] * 60, [1.0] * 60, ended)) is None
    assert ends(_trajectories([2.0] * 20, [1.0] * 60)) is None
    assert ends({}) is None


def test_a_loss_stands_if_its_last_third_is_near_its_first() -> None:
    assert stands([1.0] * 60)
    assert not stands([1.0 - at / 100 for at in range(60)])
    assert not stands([1.0] * 20)


def test_a_model_that_is_slow_has_not_stalled() -> None:
    still = Rivals("mse_loss", None, 60, 640, 0, 0.0, 0.0, False, 1.0, 1.0, 0.1, 1.0, 1.0, 1.0)
    assert stalled(still)
    assert not stalled(replace(still, before=1.1))
    assert not stalled(replace(still, before=0.5, after=0.5))
