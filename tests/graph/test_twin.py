# ruff: noqa: ARG005 - the operators of random graphs share one signature
"""The axis algebra against its slow twin: it may say unknown, and must never be contradicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from bugs import BUGGY, CONTEXT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812
from twin import Case, confirmed, contradictions, moved
from zoo import CLEAN, QUIET, SLOW

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def answers(case: Case) -> tuple[Any, list[Any], list[list[torch.Tensor]]]:
    graph, flow = case.recorded()
    values = [flow.at(output.ref) for output in graph.outputs if output.what == "loss"]
    return flow, values, moved(case)


def check_clean(case: Case) -> None:
    flow, values, twin = answers(case)
    assert contradictions(case, flow, values, twin) == []
    assert flow.unknown == {}
    assert [value.mixed for value in values] == [0] * len(values)
    assert all(value.known and value.places() for value in values)


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_model_holds_its_samples_apart(name: str) -> None:
    check_clean(CLEAN[name]())


@pytest.mark.parametrize("name", QUIET)
def test_a_sound_model_is_not_accused(name: str) -> None:
    flow, values, twin = answers(QUIET[name]())
    assert contradictions(QUIET[name](), flow, values, twin) == []
    assert flow.mixings == []
    assert not any(value.known for value in values)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_library_model_holds_its_samples_apart(name: str) -> None:
    check_clean(SLOW[name]())


@pytest.mark.parametrize("name", BUGGY)
def test_a_bug_mixes_samples_in_the_algebra_and_in_the_twin(name: str) -> None:
    bug = BUGGY[name]()
    flow, values, twin = answers(bug.case)
    assert contradictions(bug.case, flow, values, twin) == []
    found = [mixing for mixing in flow.mixings if not mixing.context and values[0].mixed]
    assert [mixing.kind for mixing in found][:1] == [bug.kind]
    place = flow.graph.nodes[found[0].node].place
    assert place is not None
    assert place.row == bug.row
    assert confirmed(bug.case, values[0], 0, twin)


@pytest.mark.parametrize("name", CONTEXT)
def test_what_is_meant_to_mix_samples_is_context(name: str) -> None:
    case = CONTEXT[name]()
    flow, values, twin = answers(case)
    assert contradictions(case, flow, values, twin) == []
    assert values[0].mixed
    assert all(mixing.context for mixing in flow.mixings)


# Random graphs: each step takes values made before, and makes one more.

SIZES = (5, 2, 3)


def _ops() -> dict[str, Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]]:
    def place(x: torch.Tensor, k: int) -> int:
        return k % x.dim()

    def shaped(x: torch.Tensor, k: int) -> torch.Tensor:
        """One of the ways to cut the elements into other axes."""
        ways = [(-1,), (5, -1), (-1, 2), (-1, 3), (2, -1), (3, 5, -1), (5, 2, -1), (2, 5, -1), (-1, 5)]
        return x.reshape(ways[k % len(ways)])

    def mixed_index(x: torch.Tensor, k: int) -> torch.Tensor:
        order = torch.arange(x.size(place(x, k))).flip(0)
        return x.index_select(place(x, k), order)

    def put(x: torch.Tensor, k: int) -> torch.Tensor:
        y = x.clone()
        y.select(place(x, k), 0).mul_(2)
        return y

    return {
        "tanh": lambda x, y, k: torch.tanh(x),
        "add": lambda x, y, k: x + y,
        "mul": lambda x, y, k: x * (1.5 + torch.sigmoid(y)),
        "transpose": lambda x, y, k: x.transpose(place(x, k), place(x, k // 3)),
        "reshape": lambda x, y, k: shaped(x, k),
        "sum": lambda x, y, k: x.sum(place(x, k)),
        "mean keeps": lambda x, y, k: x - x.mean(place(x, k), keepdim=True) / 2,
        "softmax": lambda x, y, k: F.softmax(x, place(x, k)),
        "log sum exp": lambda x, y, k: torch.logsumexp(x, place(x, k), keepdim=True),
        "cumsum": lambda x, y, k: x.cumsum(place(x, k)) / 3,
        "select": lambda x, y, k: x.select(place(x, k), k % x.size(place(x, k))),
        "slice": lambda x, y, k: x.narrow(place(x, k), 0, max(x.size(place(x, k)) - 1, 1)),
        "steps": lambda x, y, k: x[..., ::2],
        "unsqueeze": lambda x, y, k: x.unsqueeze(k % (x.dim() + 1)),
        "squeeze": lambda x, y, k: x.squeeze(),
        "cat": lambda x, y, k: torch.cat([x, torch.tanh(x)], place(x, k)),
        "cat parts": lambda x, y, k: torch.cat(list(x.chunk(2, place(x, k))), place(x, k)),
        "stack": lambda x, y, k: torch.stack([x, 2 * x], k % (x.dim() + 1)),
        "unbind": lambda x, y, k: torch.stack(x.unbind(place(x, k)), place(x, k)),
        "flip": lambda x, y, k: x.flip(place(x, k)),
        "roll": lambda x, y, k: x.roll(1, place(x, k)),
        "repeat": lambda x, y, k: x.repeat(*[2 if axis == place(x, k) else 1 for axis in range(x.dim())]),
        "repeat interleave": lambda x, y, k: x.repeat_interleave(2, place(x, k)),
        "expand": lambda x, y, k: x.unsqueeze(0).expand(2, *x.shape),
        "outer": lambda x, y, k: x.flatten()[:8, None] * x.flatten()[None, :8],
        "matmul": lambda x, y, k: x @ x.transpose(-1, -2) / 3 if x.dim() > 1 else x,
        "linear": lambda x, y, k: x @ torch.ones(x.size(-1), 2).cos(),
        "left linear": lambda x, y, k: torch.ones(2, x.size(0)).cos() @ x if x.dim() == 2 else x,
        "index": lambda x, y, k: mixed_index(x, k),
        "sort": lambda x, y, k: x.sort(place(x, k)).values,
        "topk": lambda x, y, k: x.topk(1, place(x, k)).values,
        "max": lambda x, y, k: x.max(place(x, k)).values,
        "diagonal": lambda x, y, k: x.diagonal(0, 0, 1) if x.dim() > 1 else x,
        "put": lambda x, y, k: put(x, k),
        "where": lambda x, y, k: torch.where(x > 0, x, 0.3 * x),
        "mask": lambda x, y, k: x.masked_fill(x > 1, 0.5),
        "layer norm": lambda x, y, k: F.layer_norm(x, x.shape[-1:]),
        "pad": lambda x, y, k: F.pad(x, (1, 1)),
        "unfold": lambda x, y, k: x.unfold(place(x, k), min(2, x.size(place(x, k))), 1),
        "gather": lambda x, y, k: x.gather(place(x, k), torch.zeros_like(x, dtype=torch.long)),
        "scatter": lambda x, y, k: torch.zeros_like(x).scatter_add(
            place(x, k), torch.zeros_like(x, dtype=torch.long), x
        ),
        "index add": lambda x, y, k: torch.zeros_like(x).index_add(
            place(x, k), torch.arange(x.size(place(x, k))), x
        ),
        "masked": lambda x, y, k: x[x.flatten(1).sum(1) > 0] if x.dim() > 1 else x,
        "fft": lambda x, y, k: torch.fft.fft(x, dim=place(x, k)).real,
        "conv": lambda x, y, k: (
            F.conv1d(x, torch.ones(2, x.size(1), 2).cos(), padding=1) if x.dim() == 3 else x
        ),
        "pool": lambda x, y, k: F.avg_pool1d(x, 2, padding=1) if x.dim() == 3 else x,
        "attention": lambda x, y, k: F.scaled_dot_product_attention(x, x, x) if x.dim() > 2 else x,
        "arange index": lambda x, y, k: x[torch.arange(x.size(0)), 0] if x.dim() > 1 else x,
    }  # fmt: skip


OPS = _ops()
STEP = st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 3), st.integers(0, 3), st.integers(0, 11))


def run_steps(
    steps: list[tuple[str, int, int, int]], x: torch.Tensor, strict: bool = False
) -> list[torch.Tensor]:
    """The values that steps make; with other numbers, a step that was fine may have nothing to work on."""
    values = [x, torch.linspace(-1, 1, SIZES[-1])]
    for name, first, second, k in steps:
        one, other = values[-1 - first % len(values)], values[-1 - second % len(values)]
        try:
            if not 0 < one.numel() <= 400 or not 0 < one.dim() <= 5:
                raise ValueError(name)
            if name in ("add", "mul") and torch.broadcast_shapes(one.shape, other.shape).numel() > 400:
                raise ValueError(name)
            values.append(OPS[name](one, other, k))
        except (RuntimeError, IndexError, ValueError):
            if strict:
                raise
            values.append(torch.zeros(0))
    return values[2:] or [torch.tanh(x)]


def accepted(steps: list[tuple[str, int, int, int]], x: torch.Tensor) -> list[tuple[str, int, int, int]]:
    kept: list[tuple[str, int, int, int]] = []
    for step in steps:
        try:
            run_steps([*kept, step], x, strict=True)
        except (RuntimeError, IndexError, ValueError):
            continue
        kept.append(step)
    return kept


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=1, max_size=6), st.integers(0, 2))
def test_the_twin_is_never_contradicted_on_random_graphs(
    steps: list[tuple[str, int, int, int]], place: int
) -> None:
    torch.manual_seed(3)
    shape = list(SIZES)
    shape[0], shape[place] = shape[place], shape[0]
    x = torch.randn(shape)
    kept = accepted(steps, x)
    case = Case(
        "random", {"x": x}, lambda given: run_steps(kept, given["x"]), batch=SIZES[0], place={"x": place}
    )
    flow, values, twin = answers(case)
    assert contradictions(case, flow, values, twin) == [], kept


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: x.t().as_strided((5, 5), (1, 5)),
        lambda x: x[:, 1:].as_strided((5, 4), (4, 1)),
        lambda x: torch.as_strided(x + 0, (5, 5), (5, 1)),
        lambda x: _written(x[:, 1:], lambda part: part.unfold(0, 2, 2).mul_(2)),
        lambda x: _written(x.t(), lambda part: part.as_strided((2, 2), (5, 1)).mul_(2)),
    ],
)
def test_strides_are_not_followed(forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    case = Case("strides", {"x": torch.randn(5, 5)}, lambda given: forward(given["x"]), batch=5)
    flow, values, twin = answers(case)
    assert contradictions(case, flow, values, twin) == []


def _written(x: torch.Tensor, write: Callable[[torch.Tensor], object]) -> torch.Tensor:
    y = x.clone()
    write(y)
    return y


def test_the_twin_sees_a_false_claim() -> None:
    case = Case("false", {"x": torch.randn(5, 3)}, lambda given: given["x"] - given["x"].mean(0))
    _, flow = case.recorded()
    (claim,) = flow.values[0]
    assert contradictions(case, flow, [claim], moved(case)) != []
