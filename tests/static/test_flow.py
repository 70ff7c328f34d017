"""Who takes a value, which local name is read, which tensor is written, which attribute is only filled."""

from __future__ import annotations

import libcst as cst
import pytest
from reading import model_of, value_named

from nnlint.static.local_names import LocalNames
from nnlint.static.writes import writes

NET = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 8)
            self.second = nn.Linear(8, 2)
            nn.init.zeros_(self.first.weight)

        def forward(self, x):
            {body}
            return y

    net = Net()
    out = net(torch.randn(3, 4))
"""


@pytest.mark.parametrize(
    ("body", "layers"),
    [
        pytest.param("h = self.first(x); y = self.second(h.relu())", 1, id="through an activation"),
        pytest.param("h = self.first(x); y = self.second(h) + h.mean()", None, id="elsewhere too"),
        pytest.param("h = self.first(x); y = h", None, id="returned"),
    ],
)
def test_a_value_reaches_the_next_layers_unit_by_unit(body: str, layers: int | None) -> None:
    script = model_of(NET.format(body=body))
    found = script.flow.next_layers(value_named(script, "h"))
    assert (None if found is None else len(found)) == layers


@pytest.mark.parametrize(
    ("body", "replaced"),
    [
        pytest.param("a = f(x)\na = g(x)", True, id="replaced"),
        pytest.param("a = f(x)\na = g(a)", False, id="read by its successor"),
        pytest.param("a = f(x)\nif x:\n    a = g(x)\nreturn a", False, id="in a branch only"),
        pytest.param("a = f(x)\nh = lambda: a\na = g(x)", False, id="captured"),
        pytest.param("a = f(x)\nuse(locals())\na = g(x)", False, id="all names are read"),
        pytest.param("for i in x:\n    a = f(i)\n    a = g(i)", True, id="in a loop"),
    ],
)
def test_a_local_name_is_replaced_unread(body: str, replaced: bool) -> None:
    code = "def function(x):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    function = cst.parse_module(code).body[0]
    assert isinstance(function, cst.FunctionDef)
    first = next(
        statement
        for statement in _statements(function)
        if isinstance(statement, cst.Assign) and statement.targets[0].target.deep_equals(cst.Name("a"))
    )
    assert (LocalNames(function).replaced(first, "a") is not None) is replaced


def _statements(node: cst.CSTNode) -> list[cst.CSTNode]:
    return [node, *(found for child in node.children for found in _statements(child))]


@pytest.mark.parametrize(
    ("statement", "hidden"),
    [
        pytest.param("h[0] = 1", False, id="item"),
        pytest.param("h += 1", False, id="augmented"),
        pytest.param("h.view(-1).mul_(2)", False, id="method on a view"),
        pytest.param("h.data[0] = 1", True, id="item of data"),
        pytest.param("h.data.clamp_(0)", True, id="method on data"),
    ],
)
def test_a_write_in_place_is_seen(statement: str, hidden: bool) -> None:
    script = model_of(NET.format(body=f"h = self.first(x); {statement}; y = self.second(h)"))
    (write,) = writes(script)
    assert write.hidden is hidden
    assert [tensor.op for tensor in write.tensors()] == ["linear"]


def test_an_initialised_layer_is_filled_and_not_read() -> None:
    script = model_of(NET.format(body="y = self.second(x)"))
    assert "second" in script.reads.read
    assert "first" not in script.reads.read
    assert "first" in script.reads.written
