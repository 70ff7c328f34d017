"""Nearly all samples are of one class."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    torch = script.spelling("torch.rand")
    for site in sites.losses(script, "CrossEntropyLoss"):
        if torch and sites.trains(script, site.node) and "(" not in script.source(site.bound["_t"]):
            code = script.filled(f"_t * ({torch}(_t.shape) < 0.04)", site)
            yield script.mutant(script.replace(site.bound["_t"], code), at=run_sites.everywhere(script))
