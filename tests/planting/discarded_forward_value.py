"""A loop over layers begins anew from the input each time, or a layer's result is dropped."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_x = _layer(_x)", "_x = _layer(_x, ...)", "_h = _t.tanh(_layer(_h))"):
        method = script.function(site.node)
        if not isinstance(method, ast.FunctionDef) or method.name != "forward":
            continue
        assert isinstance(site.node, ast.Assign)
        target = script.source(site.node.targets[0])
        loop = script.loop(site.node)
        returns = [
            item for item in ast.walk(method) if isinstance(item, ast.Return) and item.value is not None
        ]
        # Under a test in the loop, what is dropped is another turn's: no reader of the text can tell.
        tested = any(script.around(site.node, ast.If))
        if loop is not None and len(script.block(site.node)) == 1 and not tested:
            edits = [script.replace(site.node.targets[0], "out")]
            edits += [
                script.replace(item.value, re.sub(rf"\b{target}\b", "out", script.source(item.value)))
                for item in returns
                if item.value
            ]
            yield script.mutant(*edits, also=[loop])
        if loop is None and re.match(r"self\.", script.source(site.node.value)):
            yield script.mutant(script.replace(site.node, script.source(site.node.value)))
    for site in script.find(
        "_x = F.relu(self._a(_x))", "_x = torch.relu(self._a(_x))", "_x = torch.tanh(self._a(_x))"
    ):
        # The call stands there, its result goes nowhere.
        yield script.mutant(script.replace(site.node, script.filled("self._a(_x)", site)))
