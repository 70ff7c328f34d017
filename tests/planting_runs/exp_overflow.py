"""A softmax by hand, whose exponentials overflow."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "CrossEntropyLoss"):
        here = script.statement(site.node)
        if sites.trains(script, site.node) and "flatten" not in script.source(site.node):
            powers = script.before(here, script.filled("powers = (_p).exp()", site))
            share = "(powers / powers.sum(1, keepdim=True)).gather(1, (_t).unsqueeze(1))"
            code = f"(1 - {share}).mean()"
            yield script.mutant(powers, script.replace(site.node, script.filled(code, site)))
