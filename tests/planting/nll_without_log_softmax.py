"""`NLLLoss` gets scores, or probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    at = [found.node for found in sites.losses(script, "NLLLoss")]
    for site in script.find("_f.log_softmax(_x, ...)", "log_softmax(_x, ...)"):
        if at:
            yield script.mutant(script.replace(site.node, script.source(site.bound["_x"])), also=at)
            code = script.source(site.node).replace("log_softmax", "softmax")
            if "." in code.split("(")[0]:
                yield script.mutant(script.replace(site.node, code), also=at)
    for site in script.find("_f.cross_entropy(_p, _t)"):
        yield script.mutant(script.replace(site.node, script.filled("_f.nll_loss(_p, _t)", site)))
    for site in script.find("_n.CrossEntropyLoss()"):
        used = [found.node for found in sites.losses(script, "CrossEntropyLoss")]
        yield script.mutant(script.replace(site.node, script.filled("_n.NLLLoss()", site)), also=used)
