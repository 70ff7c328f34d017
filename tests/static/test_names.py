"""Whatever an import is called, and however an operation is written, it is one thing."""

from __future__ import annotations

import pytest
from reading import model_of, value_named


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        pytest.param("import torch", "torch.softmax(x, 1)", id="torch function"),
        pytest.param("import torch as th", "th.nn.functional.softmax(x, dim=1)", id="torch renamed"),
        pytest.param("import torch.nn.functional as F", "F.softmax(x, 1)", id="the usual F"),
        pytest.param("import torch.nn.functional as nnf", "nnf.softmax(x, 1)", id="another name for F"),
        pytest.param("from torch.nn import functional", "functional.softmax(x, 1)", id="functional by name"),
        pytest.param(
            "from torch.nn.functional import softmax as sm", "sm(x, dim=1)", id="the function renamed"
        ),
        pytest.param("from torch.nn.functional import *", "softmax(x, dim=1)", id="star import"),
        pytest.param("import torch", "x.softmax(1)", id="method"),
        pytest.param("import torch", "torch.Tensor.softmax(x, 1)", id="unbound method"),
        pytest.param("from torch import nn", "nn.Softmax(dim=1)(x)", id="module"),
        pytest.param("from torch.nn import *", "Softmax(dim=1)(x)", id="module by star import"),
        pytest.param("import torch.nn.modules.activation as a", "a.Softmax(1)(x)", id="private path"),
        pytest.param("import torch\nnn = torch.nn", "nn.functional.softmax(x, 1)", id="assigned alias"),
    ],
)
def test_all_spellings_of_softmax_are_one_operation(imports: str, call: str) -> None:
    script = model_of(f"import torch\n{imports}\nx = torch.randn(2, 3)\ny = {call}\n")
    value = value_named(script, "y")
    assert value.op == "softmax"
    assert value.args[0] is value_named(script, "x")


def test_an_operator_a_function_and_a_method_are_one_operation() -> None:
    script = model_of("import torch\na = torch.ones(2)\np = a / 2\nq = torch.div(a, 2)\nr = a.div(2)\n")
    assert [value_named(script, name).op for name in "pqr"] == ["div", "div", "div"]


def test_a_name_defined_in_the_file_is_not_torchs() -> None:
    script = model_of("from torch.nn.functional import *\ndef softmax(x):\n    return x\ny = softmax(3)\n")
    assert value_named(script, "y").is_const(3)


def test_a_local_name_hides_an_import_only_where_it_is_bound() -> None:
    script = model_of(
        """
        import torch.nn.functional as F

        def f(x, F):
            return F.softmax(x)

        def g(x):
            return F.softmax(x, 1)

        a = g(1)
        """
    )
    assert value_named(script, "a").op == "softmax"
    assert [call.op for call in script.calls_of("softmax")] == [
        "softmax",
        "softmax",
    ]  # .softmax of any object
