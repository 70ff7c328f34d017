"""Layers stand in a plain list."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.ModuleList(_l)"):
        layers = site.bound["_l"]
        code = script.source(layers)
        # A `ModuleDict` takes no list, and says so.
        if any("ModuleDict(" in script.source(node) for node in script.around(site.node, ast.Call)):
            continue
        if isinstance(layers, ast.GeneratorExp):
            code = f"[{code.removeprefix('(').removesuffix(')')}]"
        yield script.mutant(script.replace(site.node, code))
    for site in script.find("_n.ModuleDict(_l)"):
        yield script.mutant(script.replace(site.node, script.source(site.bound["_l"])))
