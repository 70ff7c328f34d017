"""The hidden state of the last batch keeps its graph."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_h = repackage_hidden(_h)",
        "_h = _h.detach()",
        "_h = tuple(_x.detach() for _x in _h)",
        "_h = (_a.detach(), _b.detach())",
        "_h, _c = _h.detach(), _c.detach()",
    ):
        if script.loop(site.node) is not None and sites.trains(script, site.node):
            calls = [
                node
                for node in ast.walk(script.loop(site.node) or script.tree)
                if isinstance(node, (ast.Call, ast.Assign))
            ]
            yield script.mutant(script.drop(script.statement(site.node)), at=calls)
