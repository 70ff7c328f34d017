"""The divergence of probabilities where their logarithms belong, or of scores."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    functional = script.spelling("torch.nn.functional")
    for site in sites.losses(script, "CrossEntropyLoss"):
        if functional and sites.trains(script, site.node) and "flatten" not in script.source(site.node):
            target = f"{functional}.one_hot(_t, (_p).shape[1]).float()"
            for given in ("(_p).softmax(1)", "_p"):
                code = f"{functional}.kl_div({given}, {target}, reduction='batchmean')"
                yield script.mutant(script.replace(site.node, script.filled(code, site)))
