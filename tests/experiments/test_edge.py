"""What the first NaN or Inf of a run came from, told by the rule about that operation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from seeing import HEAD

from nnlint.capture.plan import FirstStep, Measurement, Place, Request, Trajectory, to_json
from nnlint.capture.supervise import Capture
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.experiments.health import HEALTH, Broken, Health
from nnlint.experiments.origin import Origin, Source
from nnlint.finding import Severity, Tier
from nnlint.rule import Rule, Sighting
from nnlint.rules.infinite_gradient_root import InfiniteGradientRoot
from nnlint.rules.inverse_trig_edge import InverseTrigEdge
from nnlint.rules.unsafe_division import UnsafeDivision
from nnlint.rules.unsafe_log import UnsafeLog

RULES = (UnsafeLog(), UnsafeDivision(), InfiniteGradientRoot(), InverseTrigEdge())
LOG = Source("log", Place("train.py", 7), "head", False, False, ("0 to 0.9",))


def _seen(source: Source | None) -> Capture:
    health = Health(
        roots=(),
        root_places=(),
        steps=(),
        weights=(),
        layers=(),
        courses=(),
        steppers=(),
        broken=Broken("loss", 2, (), None),
        origin=Origin(2, source, None) if source else None,
        untouched=(),
        drifts=(),
        left_out_weights=0,
        left_out_layers=0,
    )
    measured = (Measurement("health", to_json(health)),)
    step = FirstStep("loader", None, None, "", (), (), (), (), 0.1)
    return Capture(step, trajectories={HEALTH.name: Trajectory("real", "none", (), "", 1.0, measured)})


def _said(source: Source | None) -> list[tuple[Rule, Sighting]]:
    return [
        (rule, said)
        for rule in RULES
        for said in rule.check_runs(_seen(source))
        if isinstance(said, Sighting)
    ]


@pytest.mark.parametrize(
    ("source", "rule", "part"),
    [
        (LOG, UnsafeLog, "in step 3 `log` got values from 0 to 0.9 here (in `head`), so it gave -inf"),
        (replace(LOG, ranges=("-1 to 0.9",)), UnsafeLog, "it gave NaN"),
        (replace(LOG, op="div", ranges=("0 to 2", "0 to 4")), UnsafeDivision, "values from 0 to 4"),
        (replace(LOG, op="div", ranges=("1", "0")), UnsafeDivision, "values from 0 to 0"),
        (replace(LOG, op="sqrt", backward=True), InfiniteGradientRoot, "taken of exactly 0"),
        (replace(LOG, op="acos", backward=True), InverseTrigEdge, "its gradient is infinite"),
        (replace(LOG, op="acos", ranges=("-1 to 1.1",)), InverseTrigEdge, "it is not finite"),
    ],
)
def test_the_rule_of_the_operation_says_it(source: Source, rule: type[Rule], part: str) -> None:
    ((by, said),) = _said(source)
    assert isinstance(by, rule)
    assert part in said.message
    assert (said.severity, said.place) == (Severity.ERROR, LOG.place)
    assert "nan-inf-origin" in said.explains


@pytest.mark.parametrize(
    "source",
    [
        None,
        # The slope of a logarithm that was masked afterwards is not a bug of the logarithm.
        replace(LOG, backward=True),
        replace(LOG, given="batch"),
        replace(LOG, place=None),
        # It has overflowed, and would have elsewhere.
        replace(LOG, ranges=("-1e30 to 1e30",)),
        replace(LOG, op="div", ranges=("1e30", "1e-30 to 1e-20")),
        replace(LOG, op="div", ranges=("1 to 2", "1 to 2")),
        replace(LOG, op="sqrt"),
        replace(LOG, op="exp"),
    ],
)
def test_what_is_not_sure_is_left_to_the_origin_itself(source: Source | None) -> None:
    assert _said(source) == []


SCRIPT = f"""{HEAD}
net = nn.Linear(8, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
features[40] = 0
for x, y in DataLoader(TensorDataset(features, labels), 16):
    opt.zero_grad()
    size = x.abs().sum(1, keepdim=True)
    scores = net(x) * torch.log(size)
    F.cross_entropy(scores, y).backward()
    opt.step()
"""


@pytest.mark.slow
def test_one_nan_is_told_once_with_its_operation(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    linter = Linter.load(Config(select=("NNL501", "NNL508")))
    report, seen = examine(linter, Request(str(script), seconds=200), only=("health", "edge"))
    assert report.not_run == (), seen.output
    (finding,) = report.findings
    assert (finding.name, finding.tier, finding.severity) == ("unsafe-log", Tier.EXPERIMENT, Severity.ERROR)
    assert "torch.log(size)" in SCRIPT.splitlines()[finding.span.start.row - 1]
