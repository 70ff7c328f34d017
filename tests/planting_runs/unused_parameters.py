"""A detach too many before the last layer."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.last_layers(script):
        code = script.filled("(_x).detach()", site)
        yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
