"""The scores are blown up before the loss."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for kinds, change in (
        (("CrossEntropyLoss",), "_p * 100"),
        (sites.REGRESSION, "_p + 100 * _t.abs().max()"),
    ):
        for site in sites.losses(script, *kinds):
            if sites.trains(script, site.node):
                yield script.mutant(
                    script.replace(site.bound["_p"], script.filled(change, site)), also=[site.node]
                )
