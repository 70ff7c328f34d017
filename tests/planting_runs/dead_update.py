"""A learning rate under which no weight moves."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # A rate on its way up is small at the beginning, and right.
    if "warm" in script.text or "CycleLR" in script.text:
        return
    for site in run_sites.optimizers(script):
        made = run_sites.with_option(script, site, "lr", "1e-12")
        yield Mutant(made.text, made.rows | _steps(made), made.origin)


def _steps(mutant: Mutant) -> frozenset[int]:
    script = Script(mutant.text)
    return frozenset(site.node.lineno for site in script.find("_o.step(...)", "_s.step(_o)"))
