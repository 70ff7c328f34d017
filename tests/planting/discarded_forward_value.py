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
        if loop is not None:
            edits = [script.replace(site.node.targets[0], "out")]
            later = [item for item in ast.walk(method) if isinstance(item, ast.Return)]
            for item in later:
                assert item.value is not None
                edits.append(
                    script.replace(item.value, re.sub(rf"\b{target}\b", "out", script.source(item.value)))
                )
            if len(script.block(site.node)) == 1:
                yield script.mutant(*edits, at=[site.node, loop])
        if re.match(r"self\.", script.source(site.node.value)):
            yield script.mutant(script.replace(site.node, script.source(site.node.value)))
