"""The gradient is as good as cut off before the last layer; what goes forward stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import run_sites
import sites
from planted import Mutant, Script

_LAYERS = 5


def plant(script: Script) -> Iterator[Mutant]:
    # Around a block with a skip connection the gradient goes as it did.
    if re.search(r"(=|return) \w+ \+ self\.", script.text):
        return
    # With fewer there are no first and last ones to compare.
    if len(list(sites.layers(script, "Linear", "Conv1d", "Conv2d"))) < _LAYERS:
        return
    for site in run_sites.last_layers(script):
        code = script.filled("(_x).detach() + 1e-7 * (_x)", site)
        yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
