"""Scores are counted as probabilities, beside the loss that knows them as scores."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "BCEWithLogitsLoss"):
        here = script.statement(site.node)
        if sites.trains(script, site.node) and script.loop(here) is not None:
            # One call gives both, as the same scores are meant.
            given = script.before(here, script.filled("scores = _p", site))
            counted = script.after(
                here, script.filled("hits = ((scores > 0.5).float() == _t).float().mean()", site)
            )
            named = script.replace(site.bound["_p"], "scores")
            yield script.mutant(given, named, counted)
