"""Each sample is compared with the mean of its batch."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script

INSTEAD = ("cross-batch",)


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.last_layers(script):
        code = script.filled("(_x) - (_x).mean(0, keepdim=True)", site)
        yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
