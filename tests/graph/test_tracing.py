"""A model traced from its class and the shapes of its inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.graph.step import GraphStep
from nnlint.graph.tracing import TraceError, trace

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=16, rates=False):
        super().__init__()
        self.tokens = nn.Embedding(10, width)
        self.out = nn.Linear(width, 3)
        # Numbers, which tensors without memory do not have.
        self.rate = [x.item() for x in torch.linspace(0, 1, 3)][-1] if rates else 0.5

    def forward(self, tokens, scale=None):
        hidden = self.tokens(tokens).mean(1)
        if scale is not None:
            hidden = hidden * scale
        return self.out(hidden) * self.rate

class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 2)

    def forward(self, x):
        return self.layer(x.view(4, 8))

class Large(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, int(torch.linspace(1, 2, 2)[-1]))
        self.register_buffer("mask", torch.ones(6, 6).tril())

    def forward(self, x):
        # More memory than there is.
        x = x + x.new_zeros(1 << 45).sum()
        return self.layer((x @ x.mT).masked_fill(self.mask == 1, -1e9).softmax(-1) @ x)

not_a_model = 3
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(MODEL)
    return str(tmp_path / "net.py")


@pytest.mark.parametrize("call", ["Net", "Net(5)", "Net(width=5)", "Net(rates=True)"])
def test_a_model_is_traced_with_samples_that_can_be_told(model: str, call: str) -> None:
    graph = trace(f"{model}:{call}", ["2,6:int64<10"])
    assert graph.batch not in (2, 3, 5, 6, 10, 16)
    inputs = [node for node in graph.nodes if node.op == "input"]
    assert [(node.name, node.shapes) for node in inputs] == [("tokens", ((graph.batch, 6),))]
    assert inputs[0].place is not None
    assert (inputs[0].place.filename, inputs[0].place.row) == (model, 13)
    assert [output.what for output in graph.outputs] == ["prediction"]
    assert not GraphStep(graph).cross_batch


def test_inputs_have_names_and_the_batch_axis_can_be_anywhere(model: str) -> None:
    graph = trace(f"{model}:Net", ["scale=1", "tokens=N,6:int64"])
    assert {node.name: node.shapes[0] for node in graph.nodes if node.op == "input"} == {
        "tokens": (graph.batch, 6),
        "scale": (1,),
    }
    mixed = GraphStep(trace("torch.nn:LSTM(8, 4)", ["N,3,8"]))
    assert {mixed.operator(index) for index in mixed.cross_batch} == {"mkldnn_rnn_layer"}
    assert not GraphStep(trace("torch.nn:LSTM(8, 4)", ["3,N,8"])).cross_batch


def test_a_model_that_knows_its_batch_size_gets_it(model: str) -> None:
    assert trace(f"{model}:Fixed", ["4,8"]).batch == 4


def test_a_model_that_is_built_of_numbers_is_run_without_any(model: str) -> None:
    step = GraphStep(trace(f"{model}:Large", ["N,6,8"]))
    assert step.batch_places(step.predictions[0].ref) == (0,)
    # What it holds has numbers, all the same.
    assert [node.arguments.get("value") for node in step.nodes if node.op == "buffer"] == ["past"]


@pytest.mark.parametrize(
    ("target", "shape", "why"),
    [
        ("{}:Missing", "2,6", "has no `Missing`"),
        ("{}:not_a_model", "2,6", "'int' object is not callable"),
        ("{}:Net(x)", "2,6", "the arguments (x) must be literals"),
        ("{}:Net(colour=3)", "2,6", "unexpected keyword argument 'colour'"),
        ("{}:Net", "two", "`two` is no shape: write N,3,224,224"),
        ("{}:Net", "2,6:float7", "`2,6:float7` is no shape"),
        ("{}:Net", "nothing=2,6", "Net.forward:"),
        ("{}:Fixed", "4,9", "cannot be called with these shapes: RuntimeError: shape '[4, 8]' is invalid"),
        ("{}", "2,6", "names no model"),
        ("no_such_module:Net", "2,6", "no_such_module cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_traced_is_one_line(model: str, target: str, shape: str, why: str) -> None:
    with pytest.raises(TraceError) as error:
        trace(target.format(model), [shape])
    assert why in str(error.value)
    assert "\n" not in str(error.value)
