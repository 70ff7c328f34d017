"""See rules/vanishing-exploding-gradient.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.health import HEALTH, Depth, Health, depths, layer_of, matrices, of, typical
from nnlint.experiments.loops import LATER
from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting, listed

if TYPE_CHECKING:
    from nnlint.capture.plan import FirstStep
    from nnlint.capture.supervise import Capture

# The largest ratio across depth that a sound script showed was 248.
_RATIO = 1e4
# Where each hidden activation is a sigmoid, less than this of the last layer's gradient arrives at the first.
_SIGMOIDS, _TENTH = 2, 0.1
# Beyond this an activation is large, whatever it began with.
_LARGE = 1e3
_STEPS = 4


class VanishingExplodingGradient(Rule):
    continuations = (HEALTH, LATER)
    explained_by = ("nan-inf-origin", "constant-init", "dead-units", "target-out-of-range")

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        health = of(seen)
        if health is None or health.broken is not None:
            for step in seen.first_steps:
                yield from _broken(step)
            return
        for step in seen.later_steps:
            yield from _broken(step)
        found = [*_growing(health), *_through_time(health)]
        found = found or [sighting for depth in depths(health) for sighting in _across(health, depth)]
        found = found or [
            sighting for root in range(len(health.roots)) for sighting in _quartered(health, root)
        ]
        yield from found[:1]


def _broken(step: FirstStep) -> Iterator[Sighting]:
    """What the first step alone shows."""
    place = next((loss.place for loss in step.losses if loss.place), step.place)
    # What is not stepped with may be what a gradient scaler has thrown away.
    stepped = [parameter for root in step.roots for parameter in root.parameters if parameter.steps]
    broken = [parameter.name for parameter in stepped if not parameter.finite]
    if broken:
        yield Sighting(
            place,
            f"the first gradients of {listed(broken)} are NaN or Inf, and the optimizer steps with them: "
            "the weights are lost from here on; look for a division, log or sqrt that meets zero, or an "
            "input that is not finite",
            evidence={"parameters": broken},
        )


def _across(health: Health, depth: Depth) -> Iterator[Sighting]:
    """Gradients that shrink or grow from the last layers to the first."""
    if len(depth.first[0].gradients) < _STEPS or not (depth.ratio < 1 / _RATIO or depth.ratio > _RATIO):
        return
    first, last = depth.first[0], depth.last[-1]
    layer = layer_of(health, first)
    figures = {weight.name: typical(weight.gradients) for weight in (*depth.first, *depth.last)}
    reaches = f"{typical(first.gradients):.1e}" if typical(first.gradients) > 0 else "nothing"
    if depth.ratio < 1:
        what = f"the gradient vanishes on its way back: {reaches} arrives at `{first.name}`"
        advice = (
            "the first layers learn nothing; use ReLU with He initialisation, normalisation layers, or "
            "residual connections"
        )
    else:
        what = f"the gradient explodes on its way back: {reaches} arrives at `{first.name}`"
        advice = (
            "one step throws the first layers far off; clip it, normalise the layers, or draw smaller weights"
        )
    yield Sighting(
        layer.place if layer else health.root_places[depth.root],
        f"{what}, {typical(last.gradients):.1e} at `{last.name}`: {advice}",
        evidence={"gradient norms": figures},
    )


def _quartered(health: Health, root: int) -> Iterator[Sighting]:
    """A stack whose hidden activations are sigmoids, by which the gradient shrinks from layer to layer."""
    inside = [layer for layer in health.layers if layer.root == root]
    sigmoids = [layer for layer in inside if layer.activation == "sigmoid" and layer.hidden]
    weights = [weight for weight in matrices(health) if weight.root == root]
    others = any(layer.activation in ("relu", "tanh") or "Norm" in layer.class_name for layer in inside)
    if others or len(sigmoids) < max(_SIGMOIDS, len(weights) - 1) or len(inside[0].steps) < _STEPS:
        return
    first, last = (
        next((weight for weight in weights if layer_of(health, weight) is layer), None)
        for layer in (inside[0], inside[inside.index(sigmoids[-1]) + 1])
    )
    if first is None or last is None or not 0 < typical(first.gradients) < _TENTH * typical(last.gradients):
        return
    yield Sighting(
        sigmoids[0].place,
        f"the hidden activations are {len(sigmoids)} sigmoids, and each passes at most a quarter of the "
        f"gradient: {typical(first.gradients):.1e} arrives at `{first.name}`, {typical(last.gradients):.1e} "
        f"at `{last.name}`, so the first layers learn slowest of all; use ReLU, or tanh",
        severity=Severity.WARNING,
        evidence={"gradient norms": {weight.name: typical(weight.gradients) for weight in weights}},
    )


def _through_time(health: Health) -> Iterator[Sighting]:
    """Gradients that grow from the last moment to the first."""
    for course in health.courses:
        quarter = len(course.gradients) // 4
        # Of neighbours the typical one: what is applied again and again need not be moments of one time.
        first, last = typical(course.gradients[:quarter]), typical(course.gradients[-quarter:])
        if last > 0 and first / last > _RATIO:
            yield Sighting(
                course.place,
                f"the gradient explodes through time: {last:.1e} at the last of {course.moments} moments of "
                f"`{course.name}`, {first:.1e} at the first; clip it with nn.utils.clip_grad_norm_, make "
                "the recurrent weights smaller (orthogonal), or use an LSTM or GRU",
                evidence={"gradient norms": list(course.gradients), "largest": list(course.largest)},
            )
            return


def _growing(health: Health) -> Iterator[Sighting]:
    """Activations that grow out of proportion, through the moments or from layer to layer."""
    for course in health.courses:
        if course.largest[-1] > max(_LARGE, _RATIO * course.largest[0]):
            yield Sighting(
                course.place,
                f"the output of `{course.name}` grows from {course.largest[0]:.1e} to "
                f"{course.largest[-1]:.1e} within {course.moments} moments, and its gradients with it: "
                "make the recurrent weights smaller (orthogonal), normalise the state, or use an LSTM or GRU",
                evidence={"largest": list(course.largest)},
            )
            return
    for root in range(len(health.roots)):
        layers = [layer for layer in health.layers if layer.root == root and layer.deviations]
        if len(layers) < _STEPS:
            continue
        low = next((layer for layer in layers if layer.deviations[0] > 0), layers[0])
        high = max(layers, key=lambda layer: layer.deviations[0])
        if high.deviations[0] > max(_LARGE, _RATIO * low.deviations[0]):
            yield Sighting(
                low.place,
                f"the activations explode: their deviation grows from {low.deviations[0]:.1e} in "
                f"`{low.name}` to {high.deviations[0]:.1e} in `{high.name}` in the first step, and the "
                "gradients with them; draw smaller weights (nn.init.kaiming_uniform_, xavier_uniform_), or "
                "normalise the layers",
                evidence={"deviations": {layer.name: layer.deviations[0] for layer in layers}},
            )
            return
