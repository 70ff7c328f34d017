"""Adam's penalty where decoupled decay is meant."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_f.AdamW(_p, ..., weight_decay=_w)"):
        yield script.mutant(script.replace(site.node, script.source(site.node).replace("AdamW(", "Adam(")))
    for site in script.find("_f.AdamW(_p, lr=_r)"):
        yield script.mutant(
            script.replace(site.node, script.filled("_f.Adam(_p, lr=_r, weight_decay=1e-2)", site))
        )
