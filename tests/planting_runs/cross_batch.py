"""An operation along the batch where the features were meant."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.last_layers(script):
        for change in (
            "(_x) - (_x).mean(0, keepdim=True)",
            "(_x) / (_x).norm(dim=0, keepdim=True)",
            "(_x).cumsum(0)",
        ):
            code = script.filled(change, site)
            yield script.mutant(script.replace(site.bound["_x"], code))
