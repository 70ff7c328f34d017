"""Normalised over the batch, or over no axis in particular."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_f.softmax(_x, dim=1)",
        "_f.log_softmax(_x, dim=1)",
        "_x.softmax(dim=1)",
        "log_softmax(_x, dim=1)",
        "_f.softmax(_x, 1)",
        "_f.softmax(_x, dim=-1)",
    ):
        code = script.source(site.node)
        if "rand" in code:
            continue  # a table of probabilities that is drawn has no batch
        yield script.mutant(script.replace(site.node, re.sub(r"(dim=|, )(-?1)\)$", r"\g<1>0)", code)))
        if "_f" in site.bound:
            yield script.mutant(script.replace(site.node, re.sub(r", (dim=)?(-?1)\)$", ")", code)))
