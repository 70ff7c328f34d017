"""Small scripts as text: what the recorded step shows of them, what the source shows, what a user sees."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from types import SimpleNamespace
from typing import Any

import torch
from support import every_rule

from nnlint.finding import Finding
from nnlint.graph.record import record
from nnlint.graph.step import GraphStep
from nnlint.judge import each_once, judge

LINTER = every_rule()
RULES = [rule for rule in LINTER.rules if "G" in rule.page.tiers]
HEAD = """\
import math
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
"""


def model(parts: str, forward: str) -> str:
    """The text of a class `Net`: what its constructor makes, and its forward of `x`."""
    return f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
{indent(parts.strip(), " " * 8)}
    def forward(self, x):
{indent(forward.strip(), " " * 8)}
"""


class Looked:
    """A script that defines `net`, its batch `x` and `y`, and `step()`: everything that is said of it."""

    def __init__(self, text: str, folder: Path) -> None:
        self.text = HEAD + dedent(text)
        path = folder / "script.py"
        path.write_text(self.text, encoding="utf-8")
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(self.text, str(path), "exec"), space)  # the script is the test's own
        torch.manual_seed(0)
        inputs: dict[str, torch.Tensor] = {name: space[name] for name in ("x", "y", "z") if name in space}
        graph = record(space["step"], inputs, [space["net"]], batch=len(space["x"]))
        self.step = GraphStep(graph)
        seen: Any = SimpleNamespace(first_step=None)
        said = judge(RULES, seen, self.step, str(path))
        self.graph = said.findings
        result = LINTER.check_bytes(self.text.encode(), str(path), self.graph, ("S", "G", "E"))
        self.source = LINTER.check_bytes(self.text.encode(), str(path)).findings
        self.shown = each_once(result.findings, RULES, lambda *_: True)
        assert said.not_run == []

    def of(self, name: str) -> list[Finding]:
        """What the recorded step shows by one rule."""
        return [finding for finding in self.graph if finding.name == name]

    def marked(self, name: str) -> list[int]:
        """The rows with a mark `# name`."""
        return [row for row, line in enumerate(self.text.splitlines(), 1) if line.endswith(f"# {name}")]


def check(name: str, text: str, folder: Path, both: bool = True) -> Looked:
    """The graph side of a rule speaks of the marked rows, and a user sees each bug once.

    `both`: the source shows it too.
    """
    looked = Looked(text, folder)
    found = looked.of(name)
    assert sorted(finding.span.start.row for finding in found) == looked.marked(name), found
    assert both == any(finding.name == name for finding in looked.source)
    shown = [finding for finding in looked.shown if finding.name == name]
    assert len(shown) == len(looked.marked(name)), shown
    return looked
