"""The gradient is as good as cut off before the last layer; what goes forward stays as it is."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
import sites
from planted import Mutant, Script

_LAYERS = 5


def plant(script: Script) -> Iterator[Mutant]:
    # With fewer there are no first and last ones to compare.
    if len(list(sites.layers(script, "Linear", "Conv1d", "Conv2d"))) < _LAYERS:
        return
    for site in run_sites.last_layers(script):
        code = script.filled("(_x).detach() + 1e-7 * (_x)", site)
        yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
