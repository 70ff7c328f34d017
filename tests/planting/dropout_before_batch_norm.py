"""Dropout changes the variance that batch norm learns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.BatchNorm1d(_c)", "_n.BatchNorm2d(_c)"):
        if re.search(r"Sequential", script.source(script.parent(site.node)).split("(")[0]):
            code = script.filled("_n.Dropout(0.2), ", site) + script.source(site.node)
            yield script.mutant(script.replace(site.node, code))
    functional = script.spelling("torch.nn.functional.dropout")
    for site in script.find("self.bn1(_x)", "self.bn2(_x)", "self.bn(_x)", "self.norm1(_x)"):
        if functional and "BatchNorm" in script.text:
            code = (
                script.filled(f"{site.node.func.attr and ''}", site)
                if False
                else script.source(site.node.func)
            )
            yield script.mutant(
                script.replace(
                    site.node, script.filled(f"{code}({functional}(_x, 0.2, self.training))", site)
                )
            )
