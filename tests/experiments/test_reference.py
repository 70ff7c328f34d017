"""`--against`: where two runs part, judged on what the meter notes of small models trained here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnlint.capture.meters.reference import ReferenceMeter
from nnlint.capture.plan import from_json, to_json
from nnlint.capture.sketches import Sketches
from nnlint.capture.supervise import Capture
from nnlint.comparing import Against, AgainstError, against
from nnlint.experiments.reference import STEPS, Comparison, Run, matched
from nnlint.rule import Outcome, Sighting
from nnlint.rules.known_result import KnownResult


@pytest.fixture(autouse=True)
def _random_state() -> Iterator[None]:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    yield
    torch.set_rng_state(state)
    torch.set_num_threads(threads)


class Net(nn.Module):
    """A model with what makes comparisons hard: a bias in front of batch norm, dropout, softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 8, 3, padding=1)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(80, 4)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        kept = functional.dropout(
            torch.relu(self.norm(self.conv(x))), 0.2
        )  # nnlint: ignore[NNL408] never evaluated
        return kept.flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.features(x))
        return scores


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-2)


def _run(
    model: nn.Module,
    loss: Loss = functional.cross_entropy,
    build: Callable[[nn.Module], torch.optim.Optimizer] = _adam,
    *,
    weights: list[list[torch.Tensor]] | None = None,
    change: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
    before_step: Callable[[nn.Module], object] = nn.Module.train,
    given: list[list[torch.Tensor]] | None = None,
    closure: bool = False,
) -> Run:
    """Ten steps as the runner would have them, each from the given weights (by order), or giving its own."""
    before = {parameter: parameter.detach().clone() for parameter in model.parameters()}
    host = SimpleNamespace(watch=SimpleNamespace(built={}))
    intervention = SimpleNamespace(before=before if weights is not None else {})
    runner: Any = SimpleNamespace(host=host, intervention=intervention)
    meter = ReferenceMeter(runner)
    optimizer = build(model)
    for step in range(STEPS):
        torch.manual_seed(step)
        x, y = torch.randn(16, 2, 10), torch.randint(0, 4, (16,))
        meter.given(None, (x, y))  # type: ignore[arg-type]
        x = change(x)

        def compute(step: int = step, x: torch.Tensor = x, y: torch.Tensor = y) -> torch.Tensor:
            optimizer.zero_grad()
            if weights is not None:
                for tensor, value in zip(model.state_dict().values(), weights[step], strict=True):
                    tensor.data.copy_(value)
            if given is not None:
                given.append([tensor.clone() for tensor in model.state_dict().values()])
            meter.calling(model, (x,), {})
            output = model(x)
            meter.called(model, (x,), {}, output)
            value = loss(output, y)
            meter.backward((value,))
            value.backward()  # type: ignore[no-untyped-call]
            before_step(model)
            return value

        if not closure:
            compute()
        meter.stepping(optimizer)
        optimizer.step(compute if closure else None)  # type: ignore[arg-type]
        meter.stepped(optimizer)
    run = meter.result()
    assert run is not None
    return from_json(Run, to_json(run))


def _said(ours: Run, theirs: Run) -> list[Sighting | Outcome]:
    return list(KnownResult().check_runs(Capture(comparison=Comparison(("a.py", "b.py"), ours, theirs))))


def _against(ours: nn.Module, theirs: nn.Module, **other: Any) -> list[Sighting | Outcome]:
    weights: list[list[torch.Tensor]] = []
    return _said(_run(ours, given=weights), _run(theirs, weights=weights, **other))


class ByHand(nn.Module):
    """The same as Net, with other names, modules and arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(2, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2)
        )
        self.last = nn.Linear(80, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x).reshape(len(x), -1)
        scores: torch.Tensor = self.last(x)
        return scores


def _by_hand(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    total = scores.exp().sum(1, keepdim=True).log()  # nnlint: ignore[NNL505] small scores, and a loss by hand
    return -(scores - total)[range(len(y)), y].sum() / len(y)


def test_what_is_computed_otherwise_to_the_same_end_agrees() -> None:
    (said,) = _against(Net(), ByHand(), loss=_by_hand)
    assert isinstance(said, Outcome), said.message
    assert "agree for 10 steps, the second with the weights of the first" in said.text
    assert said.evidence["tensors"] > 100
    assert 0 < said.evidence["drift"] < 1e-3


def test_gradients_that_a_closure_computes_within_the_step_are_the_same() -> None:
    (said,) = _against(Net(), Net(), closure=True)
    assert isinstance(said, Outcome), said.message
    assert set(said.evidence["kinds"]) == {"input", "output", "result", "loss", "gradient", "update"}


class Pieces(Net):
    """Its last sum runs in pieces."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = (torch.split(tensor, 8, 1) for tensor in (self.features(x), self.head.weight))
        pieces = zip(*parts, strict=True)
        return torch.stack([piece @ weight.T for piece, weight in pieces]).sum(0) + self.head.bias


def test_rounding_that_grows_from_step_to_step_is_no_parting() -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        (said,) = _against(Net(), Pieces())
        assert isinstance(said, Outcome), said.message
        assert said.evidence["drift"] > 0


class Tanh(Net):
    def features(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(torch.tanh(self.norm(self.conv(x))), 0.2).flatten(1)


class LooseNorm(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm.eps = 1e-3


@pytest.mark.parametrize(
    ("theirs", "changes", "step", "kind", "part"),
    [
        (Tanh, {}, 1, "input", "look at what lies between"),
        (LooseNorm, {}, 1, "output", "look at how it is made"),
        (
            Net,
            {"change": lambda x: x * 2},
            1,
            "input",
            "while the batches agree: look at what is done to the input",
        ),
        (
            Net,
            {"loss": lambda p, y: functional.cross_entropy(p, y, reduction="sum")},
            1,
            "loss",
            "a factor of 16",
        ),
        (
            Net,
            {"loss": lambda p, y: functional.cross_entropy(p, y, label_smoothing=0.1)},
            1,
            "loss",
            "loss function",
        ),
        (
            Net,
            {"before_step": lambda model: nn.utils.clip_grad_norm_(model.parameters(), 0.1)},
            1,
            "gradient",
            "all gradients do by the same factor of 0.",
        ),
        (
            Net,
            {"build": lambda model: torch.optim.SGD(model.parameters(), lr=1e-2)},
            1,
            "update",
            "(Adam here, SGD there)",
        ),
        (
            Net,
            {"build": lambda model: torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.5, 0.999))},
            2,
            "update",
            "betas[0]=0.9 here, 0.5 there",
        ),
        (
            Net,
            {"build": lambda model: torch.optim.Adam(model.parameters(), lr=1e-3)},
            1,
            "update",
            "lr=0.01 here, 0.001 there",
        ),
    ],
    ids=["activation", "eps", "input", "reduction", "smoothing", "clipping", "optimizer", "betas", "rate"],
)
def test_the_first_tensor_that_parts_is_named(
    theirs: type[nn.Module], changes: dict[str, Any], step: int, kind: str, part: str
) -> None:
    (said,) = _against(Net(), theirs(), **changes)
    assert isinstance(said, Sighting), said
    assert (said.evidence["step"], said.evidence["kind"]) == (step, kind), said.message
    assert part in said.message
    assert said.place is None or said.place.filename == __file__


def test_gradients_that_stop_are_named_at_the_last_layer_that_they_miss() -> None:
    class Stopped(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.head(self.features(x).detach())
            return scores

    (said,) = _against(Net(), Stopped())
    assert isinstance(said, Sighting)
    assert "the gradient of `norm.bias` parts" in said.message
    assert "in b.py it gets no gradient" in said.message


class Attending(nn.Module):
    """An embedding, attention as torch has it, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.repeat(1, 4, 1).transpose(1, 2)
        scores: torch.Tensor = self.head(self.attend(x, x, x)[0].mean(1))
        return scores


class AttendingByHand(nn.Module):
    """The same, written out: other modules hold the same weights."""

    scale = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.repeat(1, 4, 1).transpose(1, 2)
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        mixed = (q @ k.transpose(-1, -2) * self.scale).softmax(-1) @ v
        scores: torch.Tensor = self.head(self.out(mixed.transpose(1, 2).flatten(2)).mean(1))
        return scores


class Unscaled(AttendingByHand):
    scale = 1.0


def test_modules_of_another_grain_are_compared_by_what_follows() -> None:
    (said,) = _against(Attending(), AttendingByHand())
    assert isinstance(said, Outcome), said.message
    (said,) = _against(Attending(), Unscaled())
    assert isinstance(said, Sighting)
    assert (said.evidence["kind"], said.evidence["ours"]) == ("input", "head")


def test_models_whose_parameters_do_not_match_are_said_to() -> None:
    class Wide(Net):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(80, 5)

    (said,) = _said(_run(Net()), _run(Wide()))
    assert isinstance(said, Sighting)
    assert "`head.weight` [4, 80] here and `head.weight` [5, 80] in b.py" in said.message


def test_another_scale_of_the_initial_weights_is_said_beside_the_rest() -> None:
    ours, theirs = Net(), Net()
    nn.init.normal_(theirs.head.weight, std=1.0)
    scale, agree = _against(ours, theirs)
    assert isinstance(scale, Sighting)
    assert "`head.weight` at 0.06" in scale.message
    assert isinstance(agree, Outcome)


def test_parameters_are_matched_by_name_by_order_or_by_shape() -> None:
    assert matched([("a", (2, 3)), ("b", (3,))], [("b", (3,)), ("a", (2, 3))]) == [1, 0]
    assert matched([("a", (2, 2)), ("b", (2, 2))], [("x", (2, 2)), ("y", (2, 2))]) == [0, 1]
    assert matched([("a", (2, 3)), ("b", (3,))], [("x", (3,)), ("y", (2, 3))]) == [1, 0]
    # Two of one shape in another order: nobody knows which is which.
    assert matched([("a", (2,)), ("b", (3,)), ("c", (2,))], [("x", (3,)), ("y", (2,)), ("z", (2,))]) == []
    assert matched([("a", (2,))], []) == []


@pytest.mark.parametrize("size", [(7,), (64, 33), (600, 600)])
def test_sketches_tell_how_far_two_tensors_are_apart(size: tuple[int, ...]) -> None:
    sketches = Sketches()
    for share in (1e-6, 1e-2, 0.5):
        one = torch.randn(size, dtype=torch.float64)
        noise = torch.randn(size, dtype=torch.float64)
        other = one + share * noise * one.norm() / noise.norm()
        told = sketches.of(one).apart(sketches.of(other))
        assert share / 3 < told < 3 * share
    assert sketches.of(one).apart(sketches.of(one)) == 0
    assert sketches.of(one).apart(sketches.of(one.unsqueeze(0))) == 0
    assert sketches.of(one).apart(sketches.of(one.flatten()[:-1])) == math.inf
    assert sketches.of(one).apart(sketches.of(one * math.nan)) == math.inf


def test_the_other_script_may_have_arguments_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "b with blank.py"
    script.write_text("")
    assert against(str(script)) == Against(str(script), None)
    assert against(f"'{script}' --port 3") == Against(str(script), ("--port", "3"))
    with pytest.raises(AgainstError, match="nowhere: no such file"):
        against("nowhere")
