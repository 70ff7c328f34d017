"""The branch that is not taken still sends its NaN back."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.sqrt(_x.clamp(...))", "_x.clamp(...).sqrt()"):
        if "math" not in script.source(site.node):
            yield script.mutant(
                script.replace(
                    site.node,
                    script.filled("torch.where(_x > 0, torch.sqrt(_x), torch.zeros_like(_x))", site),
                )
            )
    for site in script.find("_m.log(_x.clamp(...))", "_x.clamp(...).log()"):
        if ".item()" not in script.source(script.statement(site.node)):
            yield script.mutant(
                script.replace(
                    site.node, script.filled("torch.where(_x > 0, torch.log(_x), torch.zeros_like(_x))", site)
                )
            )
    for site in script.find("_f.pairwise_distance(_a, _b)", "F.pairwise_distance(_a, _b)"):
        if not sites.evaluates(script, site.node):
            made = script.before(
                script.statement(site.node), script.filled("squared = ((_a - _b) ** 2).sum(dim=1)", site)
            )
            code = "torch.where(squared > 0, torch.sqrt(squared), torch.zeros_like(squared))"
            yield script.mutant(made, script.replace(site.node, code))
