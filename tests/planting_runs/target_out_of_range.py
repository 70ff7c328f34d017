"""Targets of a binary cross-entropy that are no probabilities, and NaN in those of a regression."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for kinds, change in ((sites.BINARY, "_t * 255"), (sites.BINARY, "_t + 1"), (("MSELoss",), "_t / 0 * 0")):
        for site in sites.losses(script, *kinds):
            yield script.mutant(
                script.replace(site.bound["_t"], script.filled(change, site)), also=[site.node]
            )
