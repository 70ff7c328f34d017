"""Fingerprints and a property of molecules that do not exist, and networks with one bug each or none."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--bug", default="", choices=["", "shape", "input", "rate", "mixing"])
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
torch.manual_seed(options.seed)

prints = (torch.rand(320, 64) < 0.2).float()
gaps = 5 + prints @ torch.randn(64) * 0.8 + 0.1 * torch.randn(320)
loader = DataLoader(TensorDataset(prints, gaps), batch_size=32, shuffle=True)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 32)
        self.second = nn.Linear(32, 16)
        self.last = nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if options.bug == "input":
            x = torch.zeros_like(x)
        x = torch.relu(self.first(x))
        if options.bug == "mixing":
            x = x - x.mean(dim=0, keepdim=True)
        x = self.last(torch.relu(self.second(x)))
        return x.squeeze(1) if options.bug != "shape" else x


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3.0 if options.bug == "rate" else 3e-3)
criterion = nn.MSELoss()
for _ in range(25):
    for x, y in loader:
        optimizer.zero_grad()
        prediction = model(x)
        loss = criterion(prediction, y)
        loss.backward()
        optimizer.step()
