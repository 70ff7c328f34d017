"""See rules/unnormalised-input.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.data import DATA, FAR, LARGE, Column, Data, Inputs
from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Inputs of this size (root mean square) train badly; so small ones hardly move the first layer.
BIG, SMALL = 30.0, 1e-3
# A statement on a column needs as many samples.
SAMPLES = 8
PIXEL = 255.0


class UnnormalisedInput(Rule):
    continuations = (DATA,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        first = seen.trajectories.get(DATA.name)
        data = first.measure(Data) if first else None
        for inputs in data.inputs if data else ():
            if not inputs.finite:
                yield Sighting(
                    inputs.place,
                    f"the input of {_layer(inputs)} holds NaN or Inf, so every output, the loss and every "
                    "gradient become NaN; repair or leave out these samples before training",
                    severity=Severity.ERROR,
                )
            elif not inputs.normalised and (what := _wrong(inputs)):
                evidence = {
                    "mean": inputs.mean,
                    "deviation": inputs.deviation,
                    "low": inputs.low,
                    "high": inputs.high,
                }
                yield Sighting(inputs.place, what, evidence=evidence)


def _layer(inputs: Inputs) -> str:
    return f"`{inputs.layer}`" if inputs.layer else f"the {inputs.class_name}"


def _wrong(inputs: Inputs) -> str:
    """What is wrong with the scale of the input, and what to write; empty if nothing is."""
    given = f"the input of {_layer(inputs)}"
    if inputs.whole and inputs.low >= 0 and PIXEL / 2 < inputs.high <= PIXEL and len(inputs.shape) > 2:
        return (
            f"{given} holds pixels from {inputs.low:g} to {inputs.high:g}: the first layer's outputs and "
            "gradients are a hundred times too large for its initialisation and the learning rate; divide by "
            "255 and subtract the mean"
        )
    if inputs.samples < SAMPLES:
        return ""
    if column := _column(inputs):
        return (
            f"column {column.number} of {given} has mean {column.mean:.3g} and standard deviation "
            f"{column.deviation:.2g}, so it drowns the other columns and sets how large a step can be; "
            "subtract the training mean and divide by the training deviation, column by column"
        )
    if inputs.size > BIG:
        return (
            f"{given} has mean {inputs.mean:.3g} and standard deviation {inputs.deviation:.2g}: "
            "initialisation and usual rates are made for inputs near mean 0 and deviation 1; standardise it"
        )
    if 0 < inputs.size < SMALL:
        return (
            f"{given} is never larger than {max(abs(inputs.low), abs(inputs.high)):.2g}, so that its weights "
            "receive next to no gradient; scale it to mean 0 and deviation 1"
        )
    return ""


def _column(inputs: Inputs) -> Column | None:
    """A column that is much larger than the others, or whose offset hides its variation."""
    for column in inputs.columns:
        if column.deviation == 0:
            continue
        if (column.mean**2 + column.deviation**2) ** 0.5 > LARGE:
            return column
        if abs(column.mean) > FAR * max(1.0, column.deviation):
            return column
    return None
