"""Inputs in the hundreds."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.float_inputs(script):
        # Normalisation takes the scale out again, and is then no bug.
        if "Norm" not in script.text and "normal" not in script.text:
            code = script.filled("_x * 1000", site)
            yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
