"""A division by something that can be zero.

By a network's numbers: a standard deviation of returns is zero only if all of them are alike.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_a / (_b + _e)"):
        extra = site.bound["_e"]
        if ".std(" in script.source(site.node):
            continue
        if isinstance(extra, ast.Constant) and isinstance(extra.value, float) and extra.value < 1e-3:
            yield script.mutant(script.replace(site.node, script.filled("_a / _b", site)))
    for site in script.find("_f.cosine_similarity(_a, _b, ...)", "_f.cosine_similarity(_a, _b)"):
        if not sites.evaluates(script, site.node) and sites.trains(script, site.node):
            code = "((_a * _b).sum(dim=-1) / (_a.norm(dim=-1) * _b.norm(dim=-1)))"
            yield script.mutant(script.replace(site.node, script.filled(code, site)))
    for site in script.find("_f.normalize(_x, dim=_d)", "F.normalize(_x, dim=_d)"):
        if not sites.evaluates(script, site.node):
            yield script.mutant(
                script.replace(site.node, script.filled("(_x / _x.norm(dim=_d, keepdim=True))", site))
            )
