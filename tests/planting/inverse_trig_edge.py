"""An angle of a cosine that rounding may take past one."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_m.acos(_x.clamp(...))",
        "_m.arccos(_x.clamp(...))",
        "_x.clamp(...).acos()",
        "_m.acos(_m.clamp(_x, ...))",
        "_m.asin(_x.clamp(...))",
    ):
        code = script.filled("torch.acos(_x)", site)
        yield script.mutant(script.replace(site.node, code))
    for site in script.find("_f.cosine_similarity(_a, _b, ...)"):
        yield script.mutant(script.replace(site.node, f"torch.acos({script.source(site.node)})"))
    for site in script.find("_f.pairwise_distance(_a, _b)"):
        yield script.mutant(
            script.replace(site.node, script.filled("torch.acos(F.cosine_similarity(_a, _b))", site))
        )
        yield script.mutant(
            script.replace(
                site.node,
                script.filled(
                    "torch.acos((F.normalize(_a, dim=1) * F.normalize(_b, dim=1)).sum(dim=1))", site
                ),
            )
        )
