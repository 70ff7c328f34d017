"""A penalty with far too large a coefficient."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if len(list(run_sites.backwards(script))) > 1:
        return
    for call in run_sites.model_calls(script):
        for site in run_sites.backwards(script):
            if script.function(site.node) is script.function(call.node):
                model = script.source(call.bound["_m"])
                loss = script.source(site.bound["_l"])
                if loss.isidentifier():
                    code = f"{loss} = {loss} + 1e4 * sum(p.pow(2).sum() for p in {model}.parameters())"
                    yield script.mutant(script.before(script.statement(site.node), code), also=[site.node])
