"""The hidden state of the last batch keeps its graph."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_h = repackage_hidden(_h)",
        "_h = _h.detach()",
        "_h = tuple(_x.detach() for _x in _h)",
        "_h = (_a.detach(), _b.detach())",
        "_h = _h[0].detach(), _h[1].detach()",
        "_h = tuple(_x.detach() for _x in _y)",
        "_h = [_x.detach() for _x in _h]",
    ):
        loop = script.loop(site.node)
        if loop is not None and list(script.find("_l.backward(...)", within=loop)):
            calls = [node for node in ast.walk(loop) if isinstance(node, (ast.Call, ast.Assign))]
            yield script.mutant(script.drop(script.statement(site.node)), at=calls)
