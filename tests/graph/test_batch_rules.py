"""Rules on the batch axis: on one script, what its source shows and what its recorded step shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from looked import Looked, check, model

pytestmark = pytest.mark.filterwarnings("ignore")


def net(parts: str, forward: str, x: str, loss: str = "loss = F.cross_entropy(out, y)") -> str:
    """A model, and a loop over a loader whose first batch is recorded."""
    return f"""
from torch.utils.data import DataLoader, TensorDataset
{model(parts, forward)}
loader = DataLoader(TensorDataset({x}, torch.randint(0, 2, (70,))), batch_size=14)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
def train_on(x, y):
    optimizer.zero_grad()
    out = net(x)
    {loss}
    loss.backward()
    optimizer.step()
for x, y in loader:
    train_on(x, y)
def step():
    train_on(x, y)
"""


@pytest.mark.parametrize(
    ("parts", "forward", "x"),
    [
        (
            "self.conv = nn.Conv2d(3, 8, 3)\nself.pool = nn.AdaptiveAvgPool2d(5)\n"
            "self.fc = nn.Linear(400, 2)",
            "h = self.pool(self.conv(x)).view(-1, 400)  # batch-absorbing-view\n"
            "return self.fc(h).repeat_interleave(2, 0)",
            "torch.randn(70, 3, 9, 9)",
        ),
        (
            "self.a = nn.Linear(6, 8)\nself.b = nn.Linear(16, 2)",
            "h = torch.relu(self.a(x)).reshape(-1, 16)  # batch-absorbing-view\n"
            "return self.b(h).repeat_interleave(2, 0)",
            "torch.randn(70, 6)",
        ),
    ],
)
def test_rows_that_are_parts_of_samples(parts: str, forward: str, x: str, tmp_path: Path) -> None:
    looked = check("batch-absorbing-view", net(parts, forward, x), tmp_path)
    (finding,) = looked.of("batch-absorbing-view")
    assert "with axis 0 the batch" in finding.message
    assert [related.message for related in finding.related] == [
        "the batch axis comes from here: axis 0 of `x`"
    ]
    assert looked.of("view-after-transpose") == []


def test_a_view_where_a_transpose_was_meant(tmp_path: Path) -> None:
    parts = "self.rnn = nn.LSTM(6, 8)\nself.fc = nn.Linear(8, 2)"
    forward = (
        "h = x.view(x.size(1), x.size(0), -1)  # view-after-transpose\nreturn self.fc(self.rnn(h)[0][-1])"
    )
    # Where the sizes stand in the file as numbers, the source does not tell one axis from another.
    looked = check(
        "view-after-transpose", net(parts, forward, "torch.tensor([[[0.5] * 6] * 5] * 70)"), tmp_path
    )
    assert looked.of("batch-absorbing-view") == []


def test_the_batch_is_read_as_time(tmp_path: Path) -> None:
    parts = "self.rnn = nn.GRU(6, 8)  # source\nself.fc = nn.Linear(8, 2)"
    forward = "h, _ = self.rnn(x)  # sequence-batch-order\nreturn self.fc(h[:, -1])"
    # The source points to where the layer is built, the step to where it is called: a user sees one.
    looked = check("sequence-batch-order", net(parts, forward, "torch.randn(70, 5, 6)"), tmp_path)
    (finding,) = [entry for entry in looked.source if entry.name == "sequence-batch-order"]
    assert finding.span.start.row in looked.marked("source")


def test_softmax_over_the_batch(tmp_path: Path) -> None:
    parts = "self.a = nn.Linear(6, 8)\nself.fc = nn.Linear(8, 2)"
    forward = "h = F.softmax(self.a(x), dim=0)  # softmax-dim\nreturn self.fc(h)"
    check("softmax-dim", net(parts, forward, "torch.randn(70, 6)"), tmp_path)


def test_a_column_of_predictions_against_a_row_of_targets(tmp_path: Path) -> None:
    loss = "loss = F.mse_loss(out, y.float())  # loss-broadcast"
    text = net("self.fc = nn.Linear(6, 1)", "return self.fc(x)", "torch.randn(70, 6)", loss)
    check("loss-broadcast", text, tmp_path)


@pytest.mark.parametrize(
    ("forward", "x"),
    [
        ("return self.fc(x.view(-1, 30))", "torch.randn(70, 5, 6)"),
        ("h = self.a(x.reshape(-1, 6)).view(len(x), -1)\nreturn self.fc(h)", "torch.randn(70, 5, 6)"),
        ("h = x.permute(1, 0, 2).reshape(-1, 6)\nreturn self.fc(self.a(h).view(5, -1, 6).transpose(0, 1)"
         ".flatten(1))", "torch.randn(70, 5, 6)"),
        ("return self.fc(x.unflatten(0, (7, -1)).flatten(0, 1).flatten(1))", "torch.randn(70, 5, 6)"),
    ],
)  # fmt: skip
def test_views_that_keep_the_samples(forward: str, x: str, tmp_path: Path) -> None:
    looked = Looked(net("self.a = nn.Linear(6, 6)\nself.fc = nn.Linear(30, 2)", forward, x), tmp_path)
    assert looked.of("batch-absorbing-view") == looked.of("view-after-transpose") == []
