"""The loss climbs."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.backwards(script):
        code = script.filled("(-_l).backward()", site)
        yield script.mutant(script.replace(site.node, code), at=run_sites.everywhere(script))
