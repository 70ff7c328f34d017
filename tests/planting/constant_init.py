"""All weights start alike."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.init._f(_w, ...)", "init._f(_w, ...)"):
        name = str(site.bound["_f"])
        weight = script.source(site.bound["_w"])
        if (
            re.match("kaiming|xavier|normal|uniform|orthogonal", name)
            and "weight" in weight
            and "embed" not in weight
        ):
            norm = next(script.around(site.node, ast.If), None)
            if norm is None or "Norm" not in script.source(norm).split("\n")[0]:
                prefix = script.source(site.node).split("init.")[0] + "init."
                yield script.mutant(script.replace(site.node, f"{prefix}zeros_({weight})"))
                yield script.mutant(script.replace(site.node, f"{prefix}constant_({weight}, 0.1)"))
    for node in script.classes("Module"):
        for site in script.find("self._a = _n.Linear(_i, _o, ...)", within=node):
            more = list(script.find("self._b = _n.Linear(...)", within=node))
            if len(more) > 1 and site.node is more[0].node:
                yield script.mutant(
                    script.after(site.node, script.filled("_n.init.zeros_(self._a.weight)", site))
                )
