"""Transforms stand in an order that cannot work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.ToTensor()"):
        steps = script.parent(site.node)
        if isinstance(steps, ast.List):
            after = steps.elts[steps.elts.index(site.node) + 1 :]
            for other in after:
                if "Normalize" in script.source(other):
                    swap = (
                        script.replace(site.node, script.source(other)),
                        script.replace(other, script.source(site.node)),
                    )
                    yield script.mutant(*swap)
            before = steps.elts[: steps.elts.index(site.node)]
            for other in before:
                if re.search("ColorJitter|Grayscale", script.source(other)) and "v2" not in script.text:
                    continue
