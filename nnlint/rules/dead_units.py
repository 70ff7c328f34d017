"""See rules/dead-units.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.health import HEALTH, Layer, of, typical
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# The largest share of dead units that a sound script of the fixtures showed was 0.44.
_DEAD = 0.8
_SAMPLES = 64
_UNITS = 8
_SATURATED = 0.9
# Gates may all be open; what is saturated by too large an input is so at both ends.
_EACH_END = 0.05
_STEPS = 4


class DeadUnits(Rule):
    continuations = (HEALTH,)
    explained_by = ("nan-inf-origin", "constant-init", "dead-update")

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        health = of(seen)
        if health is None or health.broken is not None:
            return
        told = set()
        for layer in health.layers:
            if len(layer.steps) < _STEPS or (layer.place, layer.activation) in told:
                continue
            if layer.dead_throughout >= _DEAD and layer.units >= _UNITS and layer.samples >= _SAMPLES:
                told.add((layer.place, layer.activation))
                yield _dead(layer)
            low, high = typical(layer.low), typical(layer.high)
            if (
                layer.activation in ("tanh", "sigmoid")
                and layer.hidden
                and low + high >= _SATURATED
                and min(low, high) >= _EACH_END
            ):
                told.add((layer.place, layer.activation))
                yield _saturated(layer, low + high)


def _dead(layer: Layer) -> Sighting:
    dead = round(layer.dead_throughout * layer.units)
    which = f"all {dead} units" if dead == layer.units else f"{dead} of {layer.units} units"
    return Sighting(
        layer.place,
        f"{which} of the ReLU `{layer.name}` are zero for every sample ({layer.samples} looked at, in steps "
        f"{layer.steps[len(layer.steps) // 2] + 1} to {layer.steps[-1] + 1}): no gradient passes through "
        "them, so nothing revives them; lower the learning rate, scale the inputs, keep biases near zero, "
        "or use leaky ReLU",
        evidence={"dead": layer.dead_throughout, "by step": list(layer.dead), "steps": list(layer.steps)},
    )


def _saturated(layer: Layer, share: float) -> Sighting:
    return Sighting(
        layer.place,
        f"{share:.0%} of the outputs of the {layer.activation} `{layer.name}` stand at its ends, where its "
        f"slope is near zero: the layers before it hardly learn; scale the inputs to about one, and draw "
        "the weights with nn.init.xavier_uniform_",
        evidence={"low": list(layer.low), "high": list(layer.high), "steps": list(layer.steps)},
    )
