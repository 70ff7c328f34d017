"""Training scripts in the shapes that people write, small enough to run in a moment."""

from __future__ import annotations

HEAD = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
features = torch.randn(64, 6)
labels = (features[:, 0] > 0).long()
data = TensorDataset(features, labels)
"""

NO_LOADER = """
net = nn.Linear(6, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(300):
    pick = torch.randint(0, 64, (16,))
    opt.zero_grad()
    F.cross_entropy(net(features[pick]), labels[pick]).backward()
    opt.step()
"""

LOADER = """
net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
opt = torch.optim.Adam(net.parameters())
loader = DataLoader(data, 16, shuffle=True, num_workers=4)
for epoch in range(3):
    for x, y in loader:
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
"""

# Statistics, a look at one batch, and an evaluation all come before the loop that trains.
OTHER_LOADERS_FIRST = """
loader, held_out = DataLoader(data, 16, shuffle=True), DataLoader(data, 32)
mean = torch.cat([x for x, _ in loader]).mean(0)
images, _ = next(iter(loader))
net = nn.Linear(6, 2)
opt = torch.optim.Adam(net.parameters())
with torch.no_grad():
    right = sum((net(x).argmax(1) == y).sum() for x, y in held_out)
for epoch in range(3):
    for x, y in loader:
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
"""

ACCUMULATION = """
net, opt = nn.Linear(6, 2), None
opt = torch.optim.Adam(net.parameters())
for epoch in range(3):
    for i, (x, y) in enumerate(DataLoader(data, 4)):
        (F.cross_entropy(net(x), y) / 4).backward()
        if (i + 1) % 4 == 0:
            opt.step()
            opt.zero_grad()
"""

GAN = """
make, judge = nn.Linear(4, 6), nn.Linear(6, 1)
of_make, of_judge = torch.optim.Adam(make.parameters()), torch.optim.Adam(judge.parameters())
loss = nn.BCEWithLogitsLoss()
for epoch in range(3):
    for x, _ in DataLoader(data, 16):
        of_judge.zero_grad()
        fake = make(torch.randn(16, 4))
        (loss(judge(x), torch.ones(16, 1)) + loss(judge(fake.detach()), torch.zeros(16, 1))).backward()
        of_judge.step()
        of_make.zero_grad()
        loss(judge(fake), torch.ones(16, 1)).backward()
        of_make.step()
"""

CLOSURE = """
net = nn.Linear(6, 1)
opt = torch.optim.LBFGS(net.parameters(), lr=0.5)
def closure():
    opt.zero_grad()
    loss = F.mse_loss(net(features), features.sum(1, keepdim=True))
    loss.backward()
    return loss
for step in range(8):
    opt.step(closure)
"""

BY_HAND = """
weight = torch.zeros(6, requires_grad=True)
for step in range(100):
    loss = ((features @ weight - features.sum(1)) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        weight -= 0.05 * weight.grad
        weight.grad.zero_()
"""

GRADIENT_PENALTY = """
critic = nn.Linear(6, 1)
opt = torch.optim.Adam(critic.parameters())
for step in range(100):
    opt.zero_grad()
    mixed = torch.randn(16, 6, requires_grad=True)
    slope = torch.autograd.grad(outputs=critic(mixed).sum(), inputs=mixed, create_graph=True)[0]
    loss = critic(features).mean() + ((slope.norm(2, dim=1) - 1) ** 2).mean()
    loss.backward()
    opt.step()
"""

BY_HAND_THROUGH_DATA = """
net = nn.Linear(6, 1)
for step in range(100):
    net.zero_grad()
    loss = F.smooth_l1_loss(net(features), features.sum(1, keepdim=True))
    loss.backward()
    for parameter in net.parameters():
        parameter.data.add_(-0.1 * parameter.grad)
"""

BY_HAND_FROM_GRAD = """
net = nn.Linear(6, 2)
for step in range(100):
    loss = F.cross_entropy(net(features), labels)
    parameters = list(net.parameters())
    with torch.no_grad():
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter -= 0.5 * gradient
"""

TRAINER = """
class Trainer:
    def __init__(self, network, loader):
        self.network, self.loader = network, loader
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    def fit(self, epochs):
        for _ in range(epochs):
            for batch in self.loader:
                self.step(batch)
    def step(self, batch):
        inputs, targets = batch["inputs"], batch["targets"]
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.network(inputs), targets)
        loss.backward()
        self.optimizer.step()
class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return {"inputs": features[index], "targets": labels[index]}
if __name__ == "__main__":
    Trainer(nn.Linear(6, 2), DataLoader(Rows(), 16, shuffle=True)).fit(3)
"""

ALL = {
    "no loader": NO_LOADER,
    "loader": LOADER,
    "other loaders first": OTHER_LOADERS_FIRST,
    "accumulation": ACCUMULATION,
    "two networks": GAN,
    "closure": CLOSURE,
    "by hand": BY_HAND,
    "gradient penalty": GRADIENT_PENALTY,
    "by hand, through data": BY_HAND_THROUGH_DATA,
    "by hand, from autograd.grad": BY_HAND_FROM_GRAD,
    "trainer class": TRAINER,
}
