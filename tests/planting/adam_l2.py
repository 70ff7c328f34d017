"""Adam's penalty where decoupled decay is meant."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_f.AdamW(_p, ..., lr=_r)", "_f.Adam(_p, ..., lr=_r)"):
        rest = script.source(site.node)
        if "betas" not in rest and "eps" not in rest:
            yield script.mutant(
                script.replace(site.node, script.filled("_f.Adam(_p, lr=_r, weight_decay=1e-2)", site))
            )
