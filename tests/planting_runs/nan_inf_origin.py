"""A term that is zero, with an infinite slope."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.backwards(script):
        loss = script.source(site.bound["_l"])
        if loss.isidentifier():
            for code in (
                f"{loss} = {loss} + ({loss} - {loss}.detach()).sqrt()",
                f"{loss} = {loss} / ({loss} - {loss}.detach())",
            ):
                yield script.mutant(script.before(script.statement(site.node), code))
