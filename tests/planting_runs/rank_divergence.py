"""The module within the wrapper is called: no gradient is averaged."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    wraps = (
        "_n = DistributedDataParallel(...)",
        "_n = DDP(...)",
        "_n = _m.parallel.DistributedDataParallel(...)",
    )
    names = {script.source(site.bound["_n"]) for site in script.find(*wraps)}
    for site in script.find("_m(_x)"):
        if script.source(site.bound["_m"]) in names and sites.trains(script, site.node):
            code = script.filled("_m.module(_x)", site)
            yield script.mutant(script.replace(site.node, code), at=run_sites.everywhere(script))
