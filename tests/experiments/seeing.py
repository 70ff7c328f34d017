"""Runs a script given as text under some rules, and says what they find."""

from __future__ import annotations

from pathlib import Path

from nnlint.capture.plan import Request
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.finding import Finding, Tier

HEAD = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
features = torch.randn(640, 8)
labels = (features[:, 0] > 0).long()
loader = DataLoader(TensorDataset(features, labels), 16, shuffle=True)
"""
LOOP = """
for epoch in range(2):
    for x, y in loader:
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
"""


def found(folder: Path, text: str, *rules: str) -> list[Finding]:
    """What the run shows of the script, judged by these rules alone."""
    script = folder / "train.py"
    script.write_text(text, encoding="utf-8")
    report, seen = examine(Linter.load(Config(select=rules)), Request(str(script), seconds=240))
    assert report.not_run == (), seen.output
    return [finding for finding in report.findings if finding.tier is not Tier.STATIC]


def row(text: str, part: str) -> int:
    """The first line of the text that holds this part, from 1."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)
