"""What evaluates, and what is known of the module that does."""

from __future__ import annotations

from reading import model_of

from nnlint.static.values import EventKind

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body, self.drop = nn.Linear(8, width), nn.Dropout(0.5)
    def forward(self, x):
        return torch.softmax(self.drop(self.body(x)), dim=1)
"""


def test_a_parameter_annotated_with_a_module_of_the_file_is_followed() -> None:
    for annotation in ("Net", "Net | None"):
        script = model_of(f"{NET}\ndef score(model: {annotation}, x):\n    return model(x)\n")
        (forward,) = script.events_of(EventKind.FORWARD)
        assert forward.call.result is not None
        assert forward.call.result.op == "softmax"


def test_annotated_parameters_are_objects_of_their_own() -> None:
    text = f"{NET}\ndef judge(model: Net, x):\n    model.eval()\n    return model(x)\n"
    script = model_of(f"{text}\ndef fit(model: Net, x):\n    return model(x)\n")
    first, second = script.events_of(EventKind.FORWARD)
    assert (first.mode, second.mode) == ("eval", None)
    assert first.target is not second.target


def test_a_class_whose_constructor_takes_its_own_kind() -> None:
    script = model_of(
        """
        from __future__ import annotations
        from torch import nn

        class Tree(nn.Module):
            def __init__(self, left: Tree, right: Tree):
                super().__init__()
                self.left, self.right = left, right
            def forward(self, x):
                return self.left(x) + self.right(x)

        def run(tree: Tree, x):
            return tree(x)
        """
    )
    assert script.complete


SLICES = """
import torch
from torch import nn

x, y = torch.load("data.pt")
n = len(x) * 4 // 5
model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(100):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model({train}), y[:n])
    loss.backward()
    optimizer.step()
    print(nn.functional.mse_loss(model({other}), y[n:]).item())
"""


def test_rows_that_training_leaves_out() -> None:
    for train, other, evaluates in (
        ("x[:n]", "x[n:]", True),
        ("x[0:n].float()", "x[n:].float()", True),
        ("x[n:]", "x[:n]", True),
        ("x", "x[n:]", False),
        ("x[:n]", "x[:n]", False),
        ("x[:, :n]", "x[:, n:]", False),
    ):
        script = model_of(SLICES.format(train=train, other=other))
        assert bool(list(script.evaluations)) is evaluates, (train, other)


def test_gradients_that_may_be_off() -> None:
    script = model_of(
        """
        import torch
        from contextlib import nullcontext
        from torch import nn

        model = nn.Linear(8, 1)
        def predict(x, quiet):
            with torch.no_grad() if quiet else nullcontext():
                return model(x)
        """
    )
    (forward,) = script.events_of(EventKind.FORWARD)
    assert forward.grad is None
