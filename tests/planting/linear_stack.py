"""Two linear layers without anything between them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.Sequential(...)"):
        call = site.node
        assert isinstance(call, ast.Call)
        for before, between, after in zip(call.args, call.args[1:], call.args[2:], strict=False):
            kinds = [script.source(item).split("(")[0].split(".")[-1] for item in (before, between, after)]
            if kinds[0] == kinds[2] == "Linear" and kinds[1] in ("ReLU", "Tanh", "GELU", "SiLU", "ELU"):
                start = script.replace(between, "")
                end = script.replace(after, "")
                # The comma goes too.
                yield script.mutant(type(start)(start.start, end.start, b""), also=[call, before, after])
    for site in script.find("_f.relu(self._a(_x))", "_t.tanh(self._a(_x))", "torch.relu(self._a(_x))"):
        owner = next(script.around(site.node, ast.ClassDef), script.tree)
        if list(script.find(f"self.{site.bound['_a']} = _n.Linear(...)", within=owner)):
            calls = [found.node for found in script.find("self._b(_y)", within=script.function(site.node))]
            yield script.mutant(script.replace(site.node, script.filled("self._a(_x)", site)), also=calls)
