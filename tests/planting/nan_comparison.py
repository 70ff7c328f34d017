"""NaN equals nothing, itself least of all."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.isnan(_x)", "_x.isnan()"):
        yield script.mutant(script.replace(site.node, script.filled("_x == float('nan')", site)))
    for site in script.find("_l.backward()"):
        loss = site.bound["_l"]
        if isinstance(loss, ast.Name) and script.alone(site.node):
            code = f"if {loss.id} == float('nan'):\n    raise RuntimeError('diverged')"
            yield script.mutant(script.before(script.statement(site.node), code))
            code = f"if {loss.id}.item() is float('nan'):\n    break"
            if script.loop(site.node):
                yield script.mutant(script.after(script.statement(site.node), code))
