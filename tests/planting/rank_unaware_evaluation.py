"""Each rank reports its own figure."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_d.all_reduce(_x)"):
        here = script.statement(site.node)
        if not sites.trains(script, site.node) and script.alone(site.node):
            loops = [
                node
                for node in ast.walk(script.function(here))
                if isinstance(node, (ast.For, ast.Return, ast.AugAssign))
            ]
            calls = [node for node in ast.walk(script.tree) if isinstance(node, ast.Call)]
            yield script.mutant(script.drop(here), at=[*loops, *calls])
    for site in script.find("_a.gather_for_metrics((_p, _q))"):
        calls = [
            node
            for node in ast.walk(script.function(site.node))
            if isinstance(node, (ast.Call, ast.AugAssign))
        ]
        yield script.mutant(script.replace(site.node, script.filled("(_p, _q)", site)), also=calls)
