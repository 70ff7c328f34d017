"""Reports that the tests of the output formats share."""

from __future__ import annotations

from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.finding import Finding, NotRun, Related, Report, Severity, Span, Tier

SCRIPT = """\
import torch
from torch import nn

net = nn.Linear(2, 2)
name = "漢字😀"; net.eval
loss_fn = nn.CrossEntropyLoss()
loss = loss_fn(torch.softmax(net(x), 1), y)
"""


def linted(text: str = SCRIPT, filename: str = "src/train.py") -> Report:
    """What the linter says of a script: NNL309 with a safe fix, and NNL201 with a related place."""
    return Linter.load(Config(select=("NNL309", "NNL201"))).check_text(text, filename)


def finding(message: str = "m", filename: str = "a.py", row: int = 1, cell: int | None = None) -> Finding:
    related = (Related("there", filename, Span.of(1, 1, 1, 2), cell),)
    span = Span.of(row, 1, row, 2)
    severity, tier = Severity.INFO, Tier.EXPERIMENT
    return Finding("NNL999", "gone", message, filename, span, severity, tier, "", None, related, {}, cell)


STRANGE = Report(
    (finding("50 %\r\na: b, c", "a b/ü%.py"), finding("in a cell", "n.ipynb", 2, 3)),
    (NotRun("read", "no such file", "b,1:2.py"), NotRun("graph", "no")),
    files=2,
    sources={"n.ipynb:cell 3": "x\ny"},
)
