"""Accumulated gradients are a sum, and the last ones are lost."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    backs = [found.node for found in script.find("_l.backward()")]
    for site in script.find("_l / _n", "_l = _l / _n"):
        count = script.source(site.bound["_n"])
        if not re.search(r"accum", count) or not isinstance(site.node, ast.BinOp):
            continue
        text = script.filled("_l", site)
        whole = script.replace(site.node, text)
        steps = []
        for node in ast.walk(script.tree):
            # The remainder of the epoch, for which the sound script steps once more.
            if (
                isinstance(node, ast.BoolOp)
                and isinstance(node.op, ast.Or)
                and count in script.source(node.values[0])
            ):
                steps.append(script.replace(node, script.source(node.values[0])))
        yield script.mutant(whole, *steps, also=backs)
