"""A root whose argument can be zero."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.sqrt(_x.clamp(...))", "_m.sqrt(_x + _e)", "(_x + _e).sqrt()"):
        code = re.sub(r"\.clamp\([^()]*\)", "", script.source(site.node))
        extra = site.bound.get("_e")
        if extra is not None and isinstance(extra, ast.Constant):
            code = code.replace(f" + {script.source(extra)}", "")
        if code != script.source(site.node) and "math." not in code and "np." not in code:
            yield script.mutant(script.replace(site.node, code))
    for site in script.find("_f.pairwise_distance(_a, _b)"):
        if not sites.evaluates(script, site.node):
            yield script.mutant(
                script.replace(site.node, script.filled("torch.sqrt(((_a - _b) ** 2).sum(dim=1))", site))
            )
            yield script.mutant(
                script.replace(site.node, script.filled("(_a - _b).pow(2).sum(1).sqrt()", site))
            )
    for site in sites.losses(script, "MSELoss"):
        if sites.trains(script, site.node) and not sites.evaluates(script, site.node):
            yield script.mutant(
                script.replace(site.node, script.filled("((_p - _t) ** 2).sum(dim=-1).sqrt().mean()", site))
            )
