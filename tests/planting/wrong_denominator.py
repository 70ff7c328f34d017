"""A mean of batch means is divided by the number of samples."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_t += _l.item() * _n", "_t += len(_x) * _l.item()"):
        loss = script.filled("_t += _l.item()", site)
        if (
            sites.trains(script, site.node)
            or "criterion" in script.source(site.node)
            or "loss" in script.source(site.node)
        ):
            divisions = [
                found.node
                for found in script.find("_a / _b")
                if script.source(site.bound["_t"]) in script.source(found.node)
            ]
            if (
                divisions
                and isinstance(site.node, ast.AugAssign)
                and "sum" not in script.source(site.node.value)
            ):
                yield script.mutant(script.replace(site.node, loss), also=divisions)
