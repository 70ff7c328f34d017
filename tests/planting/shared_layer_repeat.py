"""One layer stands many times in a list."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("[_l for _ in range(_n)]", "[_l for _i in range(_n)]"):
        layer = site.bound["_l"]
        classes = {node.name for node in script.classes("Module")}
        if isinstance(layer, ast.Call) and (
            script.source(layer.func) in classes or "nn." in script.source(layer.func)
        ):
            yield script.mutant(script.replace(site.node, script.filled("[_l] * _n", site)))
