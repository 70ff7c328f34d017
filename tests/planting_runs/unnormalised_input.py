"""Inputs in the hundreds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.float_inputs(script):
        # Normalisation and sines take the scale out again, and it is then no bug.
        if not re.search(r"Norm|normal|\bsin\(|\.sin\(", script.text):
            code = script.filled("_x * 1000", site)
            yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
