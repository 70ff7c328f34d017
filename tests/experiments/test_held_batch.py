"""A batch size that is held: what few samples of a batch raise, where the whole of it passes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nnlint.capture.plan import LoaderSettings, Measurement, Place, Trajectory, to_json
from nnlint.experiments.graph import FEW, WHOLE, Recording
from nnlint.graph import nodes
from nnlint.graph.record import record
from nnlint.rules.hard_coded_batch import HardCodedBatch

LOADER = LoaderSettings("DataLoader", "TensorDataset", 14, "RandomSampler", 0, False, 100)
RAISED = (
    "the script raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (14x4 and 8x10) (train.py:9)"
)


def said(loader: LoaderSettings = LOADER, few: str = RAISED, whole: str = "steps", graph: bool = True) -> Any:
    x = torch.randn(7, 8)
    recorded = nodes.to_json(record(lambda: (2 * x).view(14, -1).sum(), {"x": x}))
    measured = (Measurement("graph", to_json(Recording(recorded))),) if graph else ()
    seen: Any = SimpleNamespace(
        first_step=SimpleNamespace(loader=loader),
        trajectories={
            FEW.name: Trajectory(FEW.name, "cut", (), few, 0.1, measured),
            WHOLE.name: Trajectory(WHOLE.name, "none", (), whole, 0.1),
        },
    )
    return list(HardCodedBatch().check_runs(seen))


def test_the_line_is_that_of_the_reshape_or_else_the_one_that_raised() -> None:
    (sighting,) = said()
    assert sighting.place is not None
    assert sighting.place.filename == __file__
    assert "held at 14" in sighting.message
    assert "100 samples holds 2" in sighting.message
    (sighting,) = said(graph=False)
    assert sighting.place == Place("train.py", 9)


@pytest.mark.parametrize(
    "change",
    [
        {"loader": replace(LOADER, samples=98)},
        {"loader": replace(LOADER, drop_last=True)},
        {"loader": replace(LOADER, samples=0)},
        {"few": "steps"},
        {"few": RAISED.replace("14x4", "7x4")},
        {"whole": RAISED},
    ],
    ids=["whole batches only", "the last one dropped", "no length", "few pass", "another error", "all raise"],
)
def test_where_no_smaller_batch_comes_or_size_is_not_to_blame_nothing_is_said(change: dict[str, Any]) -> None:
    assert said(**change) == []
