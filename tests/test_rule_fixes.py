"""What the fixes of single rules make of code that no page shows, and when there is none."""

from __future__ import annotations

import textwrap

import pytest

from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.finding import Applicability
from nnlint.fixes import apply

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
NET = "net = nn.Linear(3, 4)\n"
LOSS = "net = Net(3)\ndef f(x, y):\n    return F.cross_entropy(net(x), y)\n"


def _module(init: str, forward: str = "return x", bases: str = "nn.Module") -> str:
    body = textwrap.indent(init, " " * 8)
    head = f"class Net({bases}):\n    def __init__(self, n):\n"
    return f"{head}{body}\n    def forward(self, x):\n        {forward}\n"


def _built(init: str, forward: str = "return x") -> str:
    return _module(f"super().__init__()\n{init}", forward)


def _trained(statement: str) -> str:
    return (
        "opt = torch.optim.SGD(net.parameters(), 0.1)\nfor x, y in loader:\n    opt.zero_grad()\n"
        f"    loss = F.cross_entropy(net(x), y)\n    loss.backward()\n    opt.step()\n    {statement}\n"
    )


CASES = [
    # code, before, after (None: no fix), safe
    ("NNL501", NET + "def f(x):\n    return -torch.log(torch.sigmoid(net(x) + 1)).mean()\n",
     NET + "def f(x):\n    return -F.logsigmoid(net(x) + 1).mean()\n", True),
    ("NNL501", NET + "def f(x):\n    return -(net(x) + 1).sigmoid().log().mean()\n",
     NET + "def f(x):\n    return -F.logsigmoid(net(x) + 1).mean()\n", True),
    ("NNL501", NET + "def f(x):\n    p = F.softmax(net(x), 1)\n    return (p * p.log()).sum()\n", None, True),
    ("NNL501", NET + "def f(x):\n    return torch.log2(F.softmax(net(x), -1)).sum()\n", None, True),
    ("NNL501", NET + "def f(x):\n    return torch.log(  # why\n        F.softmax(net(x), 1)).mean()\n",
     NET + "def f(x):\n    return F.log_softmax(net(x), 1).mean()\n", False),
    ("NNL201", NET + "def f(x, y):\n    return F.cross_entropy(torch.relu(net(x)), y)\n",
     NET + "def f(x, y):\n    return F.cross_entropy(net(x), y)\n", True),
    ("NNL201", _built("self.fc = nn.Linear(n, n)", "x = self.fc(x)\n        x = x.tanh()\n        return x")
     + LOSS,
     _built("self.fc = nn.Linear(n, n)", "x = self.fc(x)\n        return x") + LOSS, False),
    ("NNL309", NET + _trained("torch.optim.lr_scheduler.StepLR(opt, 1).step"),
     NET + _trained("torch.optim.lr_scheduler.StepLR(opt, 1).step()"), True),
    ("NNL309", NET + _trained("torch.optim.lr_scheduler.ReduceLROnPlateau(opt).step"), None, True),
    ("NNL401", "class Base(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
     + _module("self.fc = nn.Linear(n, n)", bases="Base"), None, True),
    ("NNL401", _module('"""Layers."""; n = 1\nself.fc = nn.Linear(n, n)'), None, True),
    ("NNL401", _module("self.fc = nn.Linear(n, n)\nsuper(Net, self).__init__()  # late"),
     _module("super(Net, self).__init__()\nself.fc = nn.Linear(n, n)"), False),
    ("NNL402", _built('self.parts = {"train": nn.Linear(n, n)}'), None, False),
    ("NNL402", _built('self.parts = {"a.b": nn.Linear(n, n)}'), None, False),
    ("NNL404", _built("self.w = 0.1 * nn.Parameter(torch.ones(n) + 1)"),
     _built("self.w = nn.Parameter(0.1 * (torch.ones(n) + 1))"), True),
    ("NNL406", _built("self.parts = nn.ModuleList(n * [nn.Linear(3, 3)])"),
     _built("self.parts = nn.ModuleList([nn.Linear(3, 3) for _ in range(n)])"), False),
    ("NNL408", _built("self.fc = nn.Linear(n, n)", "return F.dropout((self.fc(x)),)"),
     _built("self.fc = nn.Linear(n, n)", "return F.dropout((self.fc(x)), training=self.training,)"), True),
    ("NNL410", "conv = nn.Conv2d(3, 3, 1)\ndef f(x):\n    return F.softmax(conv(x))\n",
     "conv = nn.Conv2d(3, 3, 1)\ndef f(x):\n    return F.softmax(conv(x), dim=1)\n", True),
]  # fmt: skip


@pytest.mark.parametrize(("code", "before", "after", "safe"), CASES)
def test_the_fix_of_a_rule(code: str, before: str, after: str | None, safe: bool) -> None:
    report = Linter.load(Config(select=(code,))).check_text(HEAD + before)
    assert [finding.code for finding in report.findings] == [code]
    fix = report.findings[0].fix
    if after is None:
        assert fix is None
        return
    assert fix is not None
    assert apply(HEAD + before, [fix]) == HEAD + after
    assert (fix.applicability is Applicability.SAFE) is safe


@pytest.mark.parametrize(
    ("head", "fixed"),
    [
        pytest.param("import torch\n", "import copy\nimport torch\n", id="no import yet"),
        pytest.param("from __future__ import annotations\nimport torch\n", None, id="after the future"),
        pytest.param("import copy as cp\nimport torch\n", "cp.deepcopy(", id="under another name"),
        pytest.param("from copy import deepcopy\nimport torch\n", " deepcopy(", id="the function"),
        pytest.param("from copy import copy\nimport torch\n", "", id="the name is taken"),
    ],
)
def test_a_missing_import_is_added_and_never_a_second_meaning(head: str, fixed: str | None) -> None:
    body = (
        "\ndef fit(model, loader, opt, loss_of):\n    best = None\n    for epoch in range(3):\n"
        "        for x, y in loader:\n            opt.zero_grad()\n            loss = loss_of(model(x), y)\n"
        "            loss.backward()\n            opt.step()\n"
        "        if loss < 1:\n            best = model.state_dict()\n    model.load_state_dict(best)\n"
    )
    report = Linter.load(Config(select=("NNL308",))).check_text(head + body)
    (finding,) = report.findings
    if fixed == "":
        assert finding.fix is None
        return
    assert finding.fix is not None
    text = apply(head + body, [finding.fix])
    compile(text, "fixed", "exec")
    assert (fixed or "annotations\nimport copy\nimport torch\n") in text
