"""A gate of the last layer's input is normalised over the batch."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.last_layers(script):
        code = script.filled("(_x) * (_x).softmax(0)", site)
        yield script.mutant(script.replace(site.bound["_x"], code))
