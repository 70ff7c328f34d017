"""Dropout does not look at the mode."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_f.dropout(_x, _p, self.training)"):
        yield script.mutant(script.replace(site.node, script.filled("_f.dropout(_x, _p)", site)))
    for site in script.find("_f.dropout(_x, ..., training=self.training)"):
        code = re.sub(r",\s*training=self\.training", "", script.source(site.node))
        yield script.mutant(script.replace(site.node, code))
    for site in script.find("_d if self.training else 0.0"):
        outer = next(script.around(site.node, ast.Call), None)
        yield script.mutant(
            script.replace(site.node, script.source(site.bound["_d"])),
            also=[outer] if isinstance(outer, ast.Call) else [],
        )
    functional = script.spelling("torch.nn.functional.dropout")
    for site in script.find("self.drop(_x)", "self.dropout(_x)"):
        if functional:
            yield script.mutant(script.replace(site.node, script.filled(f"{functional}(_x, 0.2)", site)))
