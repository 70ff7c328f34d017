"""The last layer of a regression ends in an activation, or in dropout."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    at = list(sites.losses(script, *sites.REGRESSION))
    if not at or not script.spelling("torch.relu"):
        return
    also = [found.node for found in at]
    torch = script.spelling("torch.relu")
    for method in script.methods("forward"):
        kind = script.parent(method)
        # What a part of another network gives is no prediction.
        if isinstance(kind, ast.ClassDef) and any(script.find(f"self._a = {kind.name}(...)")):
            continue
        last = method.body[-1]
        if (
            (
                isinstance(last, ast.Return)
                and last.value is not None
                and re.search(r"head|out|fc3|layers|net\b", script.source(last))
            )
            and not re.search("Tuple|,", script.source(last.value))
            and "tanh" not in script.source(last.value)
        ):
            yield script.mutant(
                script.replace(last.value, f"{torch}({script.source(last.value)})"), also=[*also]
            )
    for site in script.find("nn.Sequential(...)"):
        call = site.node
        assert isinstance(call, ast.Call)
        if call.args and re.search(r"Linear\(.*, 1\)", script.source(call.args[-1])):
            yield script.mutant(
                script.replace(call.args[-1], script.source(call.args[-1]) + ", nn.ReLU()"), also=also
            )
