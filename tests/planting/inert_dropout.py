"""Recurrent dropout with a single layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(*(f"_n.{kind}(_i, _h, ...)" for kind in ("LSTM", "GRU", "RNN"))):
        call = site.node
        assert isinstance(call, ast.Call)
        words = {word.arg for word in call.keywords}
        if "dropout" not in words and "num_layers" not in words and len(call.args) == 2:
            code = script.source(call)[:-1] + ", dropout=0.2)"
            yield script.mutant(script.replace(call, code))
    # Along a sequence the last axis is no channel, and another thing is dropped.
    for site in script.find("_n.Dropout(_p)") if "nn.GRU" not in script.text else ():
        block = script.parent(site.node)
        if (
            isinstance(block, ast.Call)
            and site.node in block.args
            and "Linear" in script.source(block)
            and "Conv" not in script.source(block)
        ):
            yield script.mutant(script.replace(site.node, script.filled("_n.Dropout2d(_p)", site)))
