"""A division by something that can be zero."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_a / (_b + _e)"):
        extra = site.bound["_e"]
        if isinstance(extra, ast.Constant) and isinstance(extra.value, float) and extra.value < 1e-3:
            yield script.mutant(script.replace(site.node, script.filled("_a / _b", site)))
    for site in script.find("_a / _b.clamp(...)", "_b.clamp(...)"):
        divided = [found.node for found in script.find("_c / _d", within=script.function(site.node))]
        divisor = site.bound["_b"]
        assert isinstance(divisor, ast.expr)
        if (
            not divided
            or "min=" not in script.source(site.node)
            or re.search(r"max|degree", script.source(site.node))
        ):
            continue
        if re.search(r"norm|std|sum|union|stats", script.source(divisor)):
            code = re.sub(r"\.clamp\(min=[\w.\-]+\)", "", script.source(site.node), count=1)
            yield script.mutant(script.replace(site.node, code), also=divided)
    for site in script.find("_f.normalize(_x, dim=_d)"):
        yield script.mutant(
            script.replace(site.node, script.filled("_x / _x.norm(dim=_d, keepdim=True)", site))
        )
