"""The first training iteration where a library owns the loop: each with the real library."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnlint.capture.plan import Continuation, Request
from nnlint.capture.supervise import capture

LIGHTNING = """
import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))

    def training_step(self, batch, index):
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)

features = torch.randn(128, 6)
data = TensorDataset(features, (features[:, 0] > 0).long())
trainer = L.Trainer(max_epochs=3, accelerator="cpu")
trainer.fit(Classifier(), DataLoader(data, 16, shuffle=True, num_workers=2), DataLoader(data, 32))
"""

TRANSFORMERS = """
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

config = BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=16,
)
rows = [
    {
        "input_ids": torch.randint(0, 50, (8,)),
        "attention_mask": torch.ones(8, dtype=torch.long),
        "labels": torch.tensor(i % 2),
    }
    for i in range(64)
]
arguments = TrainingArguments(
    "out", num_train_epochs=3, per_device_train_batch_size=8, report_to=[], eval_strategy="epoch",
    use_cpu=True,
)
Trainer(
    model=BertForSequenceClassification(config), args=arguments, train_dataset=rows, eval_dataset=rows[:16]
).train()
"""

ACCELERATE = """
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

accelerator = Accelerator(cpu=True)
features = torch.randn(128, 6)
net = nn.Linear(6, 2)
loader = DataLoader(TensorDataset(features, (features[:, 0] > 0).long()), 16, shuffle=True)
net, optimizer, loader = accelerator.prepare(net, torch.optim.AdamW(net.parameters()), loader)
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
"""

IGNITE = """
import torch
from ignite.engine import create_supervised_trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

features = torch.randn(128, 6)
net = nn.Linear(6, 2)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
trainer = create_supervised_trainer(net, optimizer, nn.CrossEntropyLoss())
data = TensorDataset(features, (features[:, 0] > 0).long())
trainer.run(DataLoader(data, 16, shuffle=True), max_epochs=3)
"""

GEOMETRIC = """
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, global_mean_pool

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = GCNConv(3, 8), nn.Linear(8, 2)

    def forward(self, graph):
        return self.out(global_mean_pool(self.conv(graph.x, graph.edge_index).relu(), graph.batch))

def graph(i):
    return Data(x=torch.randn(5, 3) + i % 2, edge_index=torch.randint(0, 5, (2, 8)), y=torch.tensor([i % 2]))

net = Net()
optimizer = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(8):
    for batch in DataLoader([graph(i) for i in range(64)], 8, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(batch), batch.y).backward()
        optimizer.step()
"""

# What the loop's own library makes of it: the root that is called, and how many parameters it has.
EXPECTED = {
    "lightning": (LIGHTNING, "Sequential", 4, 16),
    "transformers": (TRANSFORMERS, "BertForSequenceClassification", 25, 8),
    "accelerate": (ACCELERATE, "Linear", 2, 16),
    "ignite": (IGNITE, "Linear", 2, 16),
    "torch_geometric": (GEOMETRIC, "Net", 4, 8),
}


@pytest.mark.parametrize("library", EXPECTED)
def test_the_loop_of_a_library(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, name, parameters, size = EXPECTED[library]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(text)
    wanted = [
        Continuation("as it is", "none", 12, 30),
        Continuation("held", "same_batch", 40, 60),
        Continuation("zeroed", "zeroed", 20, 30),
    ]
    seen = capture(Request("train.py", seconds=240), wanted)
    step = seen.first_step
    assert step is not None, (seen.not_run, seen.output)
    assert seen.not_run == []
    (root,) = step.roots
    assert (root.class_name, len(root.parameters), root.training) == (name, parameters, True)
    assert step.loader is not None
    assert step.loader.batch_size == size
    if library == "torch_geometric":
        assert step.batch.startswith("DataBatch(x=Tensor[40, 3] float32, edge_index=Tensor[2, 64] int64, ")
    assert step.loader.sampler in ("RandomSampler", "SeedableRandomSampler")
    assert [optimizer.steps for optimizer in step.optimizers] == [1]
    assert all(parameter.optimizers and parameter.steps == 1 for parameter in root.parameters)
    assert len(step.losses) == len(step.criteria) == 1
    assert len(seen.trajectories["as it is"].steps) == 12
    # Only Transformers counts batches and epochs where they cannot be changed any more.
    assert len(seen.trajectories["held"].steps) == (24 if library == "transformers" else 40)
    held, zeroed = seen.trajectories["held"].steps, seen.trajectories["zeroed"].steps
    assert held[0].loss == step.losses[0].value != zeroed[0].loss
    # Nothing of the run's own files is left.
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]
