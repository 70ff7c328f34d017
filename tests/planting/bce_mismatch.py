"""A sigmoid too many, or none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "BCEWithLogitsLoss"):
        scores = site.bound["_p"]
        assert isinstance(scores, ast.expr)
        yield script.mutant(script.replace(scores, script.filled("_p.sigmoid()", site)))
        code = script.source(site.node)
        if "binary_cross_entropy_with_logits" in code:
            yield script.mutant(script.replace(site.node, code.replace("_with_logits", "")))
    for site in script.find("_n.BCEWithLogitsLoss()"):
        used = [found.node for found in sites.losses(script, "BCEWithLogitsLoss")]
        yield script.mutant(script.replace(site.node, script.filled("_n.BCELoss()", site)), also=used)
