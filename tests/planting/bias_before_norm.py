"""A bias that batch norm subtracts again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        *(f"_n.{kind}(..., bias=False)" for kind in ("Conv2d", "Linear", "ConvTranspose2d"))
    ):
        code = re.sub(r",\s*bias=False", "", script.source(site.node))
        block = script.parent(site.node)
        following = ""
        if isinstance(block, ast.Call) and site.node in block.args:
            following = script.source(block.args[min(block.args.index(site.node) + 1, len(block.args) - 1)])
        if "BatchNorm" in following:
            yield script.mutant(script.replace(site.node, code))
