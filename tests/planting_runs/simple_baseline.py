"""A rate at which the network stands still."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.optimizers(script):
        made = run_sites.with_option(script, site, "lr", "1e-9")
        rows = range(1, made.text.count("\n") + 1)
        yield Mutant(made.text, frozenset(rows), made.origin)
