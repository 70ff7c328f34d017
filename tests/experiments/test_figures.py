"""The arithmetic of experiments, on figures made up for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from looking import health_of

from nnlint.capture.plan import Measurement, Trajectory, to_json
from nnlint.capture.supervise import Capture
from nnlint.experiments.functions import Input
from nnlint.experiments.health import HEALTH, Layer, Weight, depths, layer_of, update_ratio
from nnlint.rules.vanishing_exploding_gradient import VanishingExplodingGradient


def _weight(name: str, gradient: float, update: float = 1e-3) -> Weight:
    return Weight(
        root=0,
        name=f"{name}.weight",
        shape=(8, 8),
        dtype="float32",
        optimizer="SGD",
        place=None,
        rates=(0.1,) * 6,
        gradients=(gradient,) * 6,
        norms=(1.0,) * 6,
        updates=(update,) * 6,
        alike_before=False,
        alike_after=False,
        constant=False,
        moved=1.0,
    )


def _layer(name: str) -> Layer:
    return Layer(
        0, name, "Linear", None, "", True, 0, (0,), (0.0,), (1.0,), (1.0,), (1.0,), (), (), (), 0.0, 0, ()
    )


def test_depth_follows_the_calls_and_not_the_registration() -> None:
    # Registered from the last to the first, as names of attributes may be.
    gradients = {"f": 1.0, "e": 1.0, "d": 0.1, "c": 0.1, "b": 0.01, "a": 0.01}
    weights = tuple(_weight(name, gradient) for name, gradient in gradients.items())
    health = health_of(weights, tuple(_layer(name) for name in "abcdef"))
    (depth,) = depths(health)
    assert [weight.name for weight in depth.first] == ["a.weight", "b.weight"]
    assert depth.ratio == pytest.approx(0.01)
    assert layer_of(health, depth.first[0]) is health.layers[0]


def test_depth_needs_layers_and_a_gradient_at_the_end() -> None:
    assert list(depths(health_of((_weight("a", 1.0),), (_layer("a"),)))) == []
    silent = tuple(_weight(name, 0.0) for name in "abcd")
    (depth,) = depths(health_of(silent, tuple(_layer(name) for name in "abcd")))
    assert math.isnan(depth.ratio)


@pytest.mark.parametrize(
    ("activations", "gradient", "said"),
    [
        (("sigmoid", "sigmoid"), 0.02, 1),
        # One of them is no stack, a gate among others is none of it, and little is lost on the way.
        (("sigmoid", ""), 0.02, 0),
        (("sigmoid", "relu"), 0.02, 0),
        (("sigmoid", "sigmoid"), 0.5, 0),
    ],
)
def test_a_stack_of_sigmoids_is_named(activations: tuple[str, ...], gradient: float, said: int) -> None:
    layers = []
    for name, activation in zip("abc", (*activations, ""), strict=True):
        layers.append(replace(_layer(name), steps=tuple(range(6))))
        if activation:
            layers.append(replace(layers[-1], name=f"{name}.act", activation=activation))
    weights = tuple(_weight(name, size) for name, size in zip("abc", (gradient, 0.1, 1.0), strict=True))
    measured = Measurement("health", to_json(health_of(weights, tuple(layers))))
    real = Trajectory(HEALTH.name, "none", (), "steps", 1.0, (measured,))
    found = list(VanishingExplodingGradient().check_runs(Capture(trajectories={HEALTH.name: real})))
    assert len(found) == said
    for sighting in found:
        assert "2 sigmoids" in sighting.message
        assert "arrives at `a.weight`" in sighting.message


def test_the_update_ratio_is_a_median_of_several() -> None:
    assert update_ratio(_weight("a", 1.0, update=2e-3)) == pytest.approx(2e-3)
    assert update_ratio(_weight("a", 1.0), most=3) is None


def test_a_backward_is_wrong_flat_or_right() -> None:
    assert Input(0, (1.0, 2.0), (1.0, 2.0)).wrong == 0
    assert Input(0, (1.0, -2.0), (1.0, 2.0)).wrong == 1
    assert Input(0, (0.0, 0.0), (1.0, 2.0)).wrong == 2
    through = Input(0, (1.0, 2.0), (0.0, 0.0))
    assert through.flat
    assert not Input(0, (0.0, 0.0), (0.0, 0.0)).flat
