"""An angle of a cosine that rounding may take past one."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    acos = script.spelling("torch.acos")
    if acos is None:
        return
    for site in script.find(
        "_m.acos(_x.clamp(...))",
        "_m.arccos(_x.clamp(...))",
        "_x.clamp(...).acos()",
        "_m.acos(_m.clamp(_x, ...))",
        "_m.asin(_x.clamp(...))",
    ):
        yield script.mutant(script.replace(site.node, script.filled(f"{acos}(_x)", site)))
    functional = script.spelling("torch.nn.functional")
    for site in script.find(
        "_f.pairwise_distance(_a, _b)", *(f"_f.{name}(_a, _b)" for name in ("mse_loss", "l1_loss"))
    ):
        if (
            functional
            and not sites.evaluates(script, site.node)
            and "functional_call" not in script.source(site.node)
        ):
            angle = script.filled(f"{acos}({functional}.cosine_similarity(_a, _b))", site)
            by_hand = script.filled(
                f"{acos}(({functional}.normalize(_a, dim=1) * {functional}.normalize(_b, dim=1)).sum(dim=1))",
                site,
            )
            whole = ".mean()" if "loss" in script.source(site.node).split("(")[0] else ""
            yield script.mutant(script.replace(site.node, angle + whole))
            yield script.mutant(script.replace(site.node, by_hand + whole))
    for site in sites.losses(script, "MSELoss"):
        if functional and sites.trains(script, site.node) and not sites.evaluates(script, site.node):
            yield script.mutant(
                script.replace(
                    site.node,
                    script.filled(f"{acos}({functional}.cosine_similarity(_p, _t)).mean()", site),
                )
            )
