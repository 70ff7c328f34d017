"""The model is given something else than the input."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.model_calls(script):
        code = script.filled("_x * 0", site)
        yield script.mutant(script.replace(site.bound["_x"], code), at=run_sites.everywhere(script))
