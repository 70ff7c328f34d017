"""The running total is one of tensors."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_total += _loss.item()", "_total += _loss.item() * _n", "_total.append(_loss.item())"
    ):
        loss = site.bound["_loss"]
        # `.item()` of a count of hits has no graph to retain.
        if sites.trains(script, site.node) and isinstance(loss, ast.Name):
            code = script.source(site.node).replace(".item()", "", 1)
            yield script.mutant(script.replace(site.node, code))
