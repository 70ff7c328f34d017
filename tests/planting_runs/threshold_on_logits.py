"""Scores are counted as probabilities, beside the loss that knows them as scores."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "BCEWithLogitsLoss"):
        here = script.statement(site.node)
        if sites.trains(script, site.node) and script.loop(here) is not None:
            counted = script.filled("hits = ((_p > 0.5).float() == _t).float().mean()", site)
            yield script.mutant(script.before(here, counted))
