"""The statistics of a frozen body still move."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("self._b.eval()", "_m._b.eval()"):
        if "requires_grad" in script.text and "BatchNorm" in script.text and script.alone(site.node):
            frozen = [
                node
                for node in ast.walk(script.tree)
                if isinstance(node, (ast.For, ast.Expr, ast.Assign))
                and "requires_grad" in script.source(node)
            ]
            trains = [found.node for found in script.find("_m.train(...)")]
            yield script.mutant(script.drop(script.statement(site.node)), at=[*frozen, *trains])
