"""A division by something that can be zero."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_a / (_b + _e)"):
        extra = site.bound["_e"]
        if isinstance(extra, ast.Constant) and isinstance(extra.value, float) and extra.value < 1e-3:
            yield script.mutant(script.replace(site.node, script.filled("_a / _b", site)))
    for site in script.find("_f.normalize(_x, dim=_d)", "F.normalize(_x, dim=_d)"):
        if not sites.evaluates(script, site.node):
            yield script.mutant(
                script.replace(site.node, script.filled("(_x / _x.norm(dim=_d, keepdim=True))", site))
            )
