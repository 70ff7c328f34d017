"""Probabilities where log-probabilities belong, or a mean over everything."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_f.kl_div(_q, _p, ..., reduction='batchmean')", "_n.KLDivLoss(..., reduction='batchmean')"
    ):
        code = script.source(site.node)
        also = [found.node for found in sites.losses(script, "KLDivLoss")]
        yield script.mutant(script.replace(site.node, code.replace('"batchmean"', '"mean"')), also=also)
        if "log_softmax" in code:
            yield script.mutant(script.replace(site.node, code.replace("log_softmax", "softmax", 1)))
        for found in script.find("_f.log_softmax(_x, ...)", within=script.function(site.node)):
            yield script.mutant(
                script.replace(found.node, script.source(found.node).replace("log_softmax", "softmax", 1)),
                also=[site.node, *also],
            )
