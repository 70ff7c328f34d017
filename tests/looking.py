"""A report and a capture with something in every part of the page, as a run would make them."""

from __future__ import annotations

import base64
import math
import random
from pathlib import Path

from nnlint.capture.plan import (
    FirstStep,
    Group,
    LoaderSettings,
    Loss,
    Measurement,
    OptimizerState,
    Place,
    Root,
    Step,
    Trajectory,
    to_json,
)
from nnlint.capture.supervise import Capture
from nnlint.experiments import graph as graphs
from nnlint.experiments.baseline import ZEROED
from nnlint.experiments.first_loss import FirstLoss, Term
from nnlint.experiments.fit import Fit
from nnlint.experiments.health import Health, Histogram, Layer, Weight
from nnlint.experiments.loops import FIRST, REAL
from nnlint.experiments.overfit import TEN
from nnlint.experiments.preview import MOST_LETTERS, Column, Part, Pictures, Preview, Sequence
from nnlint.experiments.ramp import RAMP, Ramp
from nnlint.experiments.regularisation import PLAIN
from nnlint.finding import Finding, NotRun, Report, Result, Severity, Span, Tier
from nnlint.graph import nodes

UPDATES = 60
CHANCE = math.log(10)
# Of no pattern, as those of an image are, so that it takes long to write them down.
PIXELS = random.Random(0).randbytes(24 * 24 * 3)
SOURCE = "import torch\n\n\ndef forward(x):\n    return x.view(-1, 8)\n\n\nloss = forward(1)\n"
# What a page with everything in it is divided into.
HEADINGS = [
    "Findings",
    "What was asked for",
    "How it trains",
    "What the first step computes",
    "The first step",
    "What was not looked at",
    "To see it again",
]


def finding(message: str, name: str = "train", severity: Severity = Severity.ERROR, row: int = 5) -> Finding:
    """One in the source above."""
    return Finding(
        code="NNL101",
        name="view-after-transpose",
        message=message,
        filename=f"{name}.py",
        span=Span.of(row, 12, row, 26),
        severity=severity,
        tier=Tier.GRAPH,
        url="https://example.org/",
        evidence={name: [name]},
    )


def report(name: str = "train") -> Report:
    """With something to say in every section; `name` is what things are called."""
    found = (finding(f"`{name}` is wrong", name), finding("so is this", name, Severity.WARNING, 8))
    return Report(
        findings=found,
        not_run=(NotRun(name, name, name),),
        skipped=(NotRun("rule NNL903", "too few updates"),),
        results=(Result("capacity", f"`{name}` is enough"),),
        files=1,
        seconds=12.0,
        sources={found[0].shown_name: SOURCE.replace("forward", name[:200].replace("\n", " "))},
    )


def capture(name: str = "train") -> Capture:
    """A run that has trained, with every measurement that a figure is made of."""
    falling = [CHANCE * 0.95**at + 0.02 * (at % 3) for at in range(UPDATES)]
    flat = [CHANCE] * UPDATES
    health, fit, ramp = _health(name), _fit(name, falling), _ramp()
    first = FirstLoss(CHANCE + 0.01, False, None, (), (Term(None, CHANCE + 0.01, True, CHANCE),))
    trajectories = (
        trajectory(REAL.name, falling, health=health),
        trajectory(TEN.name, [loss / 2 for loss in falling], fit=fit),
        trajectory(ZEROED.name, flat),
        trajectory(PLAIN.name, [loss / 3 for loss in falling]),
        trajectory(name, falling),
        trajectory(RAMP.name, list(ramp.losses), ramp=ramp),
        trajectory(FIRST.name, falling[:1], first_loss=first, preview=_preview(name)),
        trajectory(graphs.FEW.name, falling[:1], graph=graphs.Recording(nodes.to_json(_graph(name)))),
    )
    return Capture(
        first_step=_first_step(name), trajectories={entry.name: entry for entry in trajectories}, seconds=12.0
    )


def trajectory(name: str, losses: list[float], **measured: object) -> Trajectory:
    """A continuation with these losses, and with what its meters have found."""
    steps = tuple(Step(loss, loss / 2, 0) for loss in losses)
    found = tuple(Measurement(meter, to_json(value)) for meter, value in measured.items())
    return Trajectory(name, "none", steps, "steps", 1.0, found)


def _weight(name: str, gradient: float) -> Weight:
    steps = 6
    return Weight(
        root=0,
        name=name,
        shape=(8, 8),
        dtype="float32",
        optimizer="SGD",
        place=None,
        rates=(0.1,) * steps,
        gradients=tuple(gradient / (at + 1) for at in range(steps)),
        norms=(1.0,) * steps,
        updates=tuple(gradient / 10 / (at + 1) for at in range(steps)),
        alike_before=False,
        alike_after=False,
        constant=False,
        moved=1.0,
    )


def _layer(name: str, activation: str, dead: float) -> Layer:
    steps = tuple(range(6))
    return Layer(
        root=0,
        name=name,
        class_name="Linear",
        place=None,
        activation=activation,
        hidden=True,
        units=8,
        steps=steps,
        means=(0.1,) * 6,
        deviations=(1.0,) * 6,
        largest=(3.0,) * 6,
        gradients=(0.1,) * 6,
        dead=(dead,) * 6 if activation else (),
        low=(dead,) * 6 if activation else (),
        high=(0.1,) * 6 if activation else (),
        dead_throughout=dead,
        samples=32,
        histograms=(Histogram(0, -1.0, 1.0, (1, 4, 9, 4, 1)), Histogram(5, -2.0, 2.0, (3, 3, 3, 3, 3))),
    )


def health_of(weights: tuple[Weight, ...], layers: tuple[Layer, ...]) -> Health:
    """What was measured of six steps in which nothing else was to be seen."""
    return Health(
        roots=("Net",),
        root_places=(None,),
        steps=tuple(range(6)),
        weights=weights,
        layers=layers,
        courses=(),
        steppers=(),
        broken=None,
        origin=None,
        untouched=(),
        drifts=(),
        left_out_weights=0,
        left_out_layers=0,
    )


def _health(name: str) -> Health:
    return health_of(
        (_weight("first.weight", 1.0), _weight(f"{name}.weight", 1e-6)),
        (_layer("first", "", 0.0), _layer(name, "relu", 0.75)),
    )


def _fit(name: str, losses: list[float]) -> Fit:
    return Fit(
        criteria=(name,),
        place=None,
        losses=tuple(losses),
        chance=1.6,
        floor=0.0,
        unbounded="",
        weight=1.0,
        values=tuple(losses),
        direction=1.0,
        optimizers=1,
        spread=1.0,
        samples=10,
        rates=(0.1, 0.1),
        parameters=64,
    )


def _ramp() -> Ramp:
    rates = tuple(1e-4 * 1.2**at for at in range(80))
    losses = tuple(2.3 - 2 * min(rate / 0.1, 1) + max(0, rate - 1) ** 2 for rate in rates)
    return Ramp("SGD", None, 0.1, rates, losses)


def _preview(name: str) -> Preview:
    pixels = base64.b64encode(PIXELS).decode()
    columns = tuple(Column(at, -1.0, 0.0, 1.0, 2.0, at, (0.5,) * 8) for at in range(5))
    return Preview(
        "loader",
        16,
        (
            Part("batch[0]", (16, 3, 24, 24), "float32", pictures=Pictures(24, 24, 3, True, (pixels,) * 8)),
            Part("batch[1]", (16,), "int64", labels=tuple(f"{at} {name}"[:60] for at in range(8))),
            Part(
                "batch[2]",
                (16, 90),
                "int64",
                sequences=(Sequence(tuple(range(48)), name[:MOST_LETTERS]),) * 8,
                length=90,
            ),
            Part(f"batch[{name!r}]", (16, 5), "float32", columns=columns, width=7),
        ),
    )


def _first_step(name: str) -> FirstStep:
    return FirstStep(
        trigger="loader",
        place=None,
        loader=LoaderSettings("DataLoader", name[:300], 16, "RandomSampler", 0, False),
        batch="(Tensor[16, 3, 24, 24] float32, Tensor[16] int64)",
        roots=(Root(name, None, True, (), ("Tensor[16, 3, 24, 24] float32",), "Tensor[16, 10] float32", ()),),
        optimizers=(OptimizerState("SGD", None, (Group(0.1, 4),), 1, 4),),
        losses=(Loss(CHANCE + 0.01, (), None),),
        criteria=(),
        seconds=0.5,
    )


def _graph(name: str) -> nodes.Graph:
    """A batch that is viewed in line 5 and averaged in line 8."""
    file = str(Path(f"{name}.py").absolute())
    made = (
        nodes.Node("batch[0]", "input", {}, ((7, 4, 8),), ("float32",), Place(file, 4), "", True),
        nodes.Node(
            "view",
            "aten.view.default",
            {"self": nodes.Ref(0), "size": (28, 8)},
            ((28, 8),),
            ("float32",),
            Place(file, 5),
            name[:300],
            True,
            0,
        ),
        nodes.Node(
            "mean",
            "aten.mean.default",
            {"self": nodes.Ref(1), "dtype": None},
            ((),),
            ("float32",),
            Place(file, 8),
            "",
            True,
            grad=True,
        ),
    )
    return nodes.Graph(
        nodes=made,
        outputs=(nodes.Output("loss", nodes.Ref(2), Place(file, 8), ""),),
        batch=7,
        roots=(nodes.Root(name[:300], None),),
    )
