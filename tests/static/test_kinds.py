"""What a name is: through assignments, calls, returns, attributes of self, containers, and use."""

from __future__ import annotations

import pytest
from reading import model_of, value_named

from nnlint.static.values import EventKind, Kind


def kinds(text: str, *names: str) -> list[Kind]:
    script = model_of(text)
    return [value_named(script, name).kind for name in names]


def test_constructors_say_what_they_make() -> None:
    text = """
        import torch
        from torch import nn, optim
        from torch.utils.data import DataLoader
        from torch.optim.lr_scheduler import StepLR
        net = nn.Linear(2, 2)
        o = optim.Adam(net.parameters())
        s = StepLR(o, 1)
        d = DataLoader([])
        g = torch.amp.GradScaler()
        """
    assert kinds(text, "net", "o", "s", "d", "g") == [
        Kind.MODULE, Kind.OPTIMIZER, Kind.SCHEDULER, Kind.LOADER, Kind.SCALER,
    ]  # fmt: skip


def test_what_a_function_returns_keeps_its_kind() -> None:
    text = """
        import torch
        def build(name):
            net = torch.nn.Linear(2, 2)
            if name == "sgd":
                return net, torch.optim.SGD(net.parameters(), 0.1)
            return net, torch.optim.Adam(net.parameters())
        a, b = build(input())
        """
    assert kinds(text, "a", "b") == [Kind.MODULE, Kind.OPTIMIZER]


def test_attributes_of_self_keep_their_kind_across_methods() -> None:
    script = model_of(
        """
        import torch
        class Trainer:
            def __init__(self, net):
                self.net = net
                self.opt = torch.optim.SGD(self.net.parameters(), 0.1)
            def step(self, x):
                thing = self.opt
                thing.step()
        Trainer(torch.nn.Linear(1, 1)).step(0)
        """
    )
    (step,) = script.events_of(EventKind.STEP)
    assert step.target is value_named(script, "thing")
    assert step.target.op == "torch.optim.SGD"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param("thing.zero_grad()\n    thing.step()", Kind.OPTIMIZER, id="zero_grad and step"),
        pytest.param("thing.eval()\n    y = thing(x)", Kind.MODULE, id="eval and called"),
        pytest.param("thing.unscale_(x)", Kind.SCALER, id="unscale_"),
        pytest.param("thing.backward()", Kind.TENSOR, id="backward"),
        pytest.param("thing.step(3)", Kind.UNKNOWN, id="step alone may be an environment"),
    ],
)
def test_use_says_what_a_parameter_is(body: str, kind: Kind) -> None:
    script = model_of(f"import torch\ndef f(thing, x):\n    here = thing\n    {body}\n")
    assert value_named(script, "here").kind is kind


def test_branches_join_and_keep_what_they_agree_on() -> None:
    script = model_of(
        """
        import torch
        if input():
            net = torch.nn.Linear(1, 1)
        else:
            net = torch.nn.Conv2d(1, 1, 1)
        copy = net
        """
    )
    value = value_named(script, "copy")
    assert value.kind is Kind.MODULE
    assert {part.op for part in value.alternatives()} == {"torch.nn.Linear", "torch.nn.Conv2d"}


def test_a_constant_that_a_loop_changes_is_no_constant_inside() -> None:
    script = model_of(
        """
        import torch
        first = True
        for i in range(3):
            if first:
                first = False
                continue
            torch.zeros(i)
        """
    )
    assert [call.op for call in script.calls if call.op == "zeros"] == ["zeros"]


def test_a_known_argument_decides_a_branch() -> None:
    script = model_of(
        """
        import torch
        def run(train):
            if train:
                torch.ones(1)
            else:
                torch.zeros(1)
        run(False)
        """
    )
    assert [call.op for call in script.calls if call.op in {"ones", "zeros"}] == ["zeros"]


def test_a_loop_over_phases_is_read_once_for_each() -> None:
    script = model_of(
        """
        import torch
        net = torch.nn.Dropout()
        for phase in ["train", "val"]:
            if phase == "train":
                net.train()
            else:
                net.eval()
            net(torch.ones(1))
        """
    )
    assert [event.mode for event in script.events_of(EventKind.FORWARD)] == ["train", "eval"]


def test_dicts_and_lists_hand_back_what_they_hold() -> None:
    text = """
        import torch
        parts = {"net": torch.nn.Linear(1, 1)}
        parts["opt"] = torch.optim.SGD(parts["net"].parameters(), 0.1)
        a = parts["net"]
        b = parts["opt"]
        nets = [torch.nn.ReLU()]
        nets.append(torch.nn.Tanh())
        c = nets[1]
        """
    assert kinds(text, "a", "b", "c") == [Kind.MODULE, Kind.OPTIMIZER, Kind.MODULE]


def test_every_function_is_read_even_if_nothing_calls_it() -> None:
    script = model_of("import torch\nclass A:\n    def f(self, x):\n        return torch.log(x)\n")
    assert [call.op for call in script.calls] == ["log"]


def test_recursion_ends() -> None:
    script = model_of("import torch\ndef f(x):\n    return f(torch.exp(x))\nf(1)\n")
    assert any(call.op == "exp" for call in script.calls)


def test_a_class_in_a_function_is_read_as_a_module() -> None:
    script = model_of(
        """
        import torch
        from torch import nn
        def build(width, rate):
            class Block(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.dropout = nn.Dropout(rate) if rate else None
                def forward(self, x):
                    return self.dropout(x)
            return [Block() for _ in range(width)]
        """
    )
    (dropped,) = script.calls_of("dropout")
    assert dropped.receiver is not None
    assert dropped.receiver.kind is Kind.MODULE


def test_an_iterator_gives_batches_however_it_is_asked() -> None:
    script = model_of(
        """
        from torch.utils.data import DataLoader
        loader = DataLoader([])
        a = next(iter(loader))
        b = iter(loader).__next__()
        c = iter(loader).next()
        """
    )
    assert [value_named(script, name).op for name in "abc"] == ["batch"] * 3
