"""The prediction leaves the graph before the loss."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script):
        prediction = site.bound["_p"]
        assert isinstance(prediction, ast.expr)
        if not sites.trains(script, site.node) or sites.evaluates(script, site.node):
            continue
        also = [found.node for found in script.find("_l.backward(...)")]
        yield script.mutant(script.replace(prediction, script.filled("_p.detach()", site)), also=also)
        yield script.mutant(script.replace(prediction, script.filled("_p.round()", site)), also=also)
        statement = script.statement(site.node)
        if isinstance(statement, ast.Assign) and statement.value is site.node:
            yield script.mutant(script.replace(site.node, script.source(site.node) + ".item()"), also=also)
        if script.spelling("torch.tensor") == "torch.tensor":
            yield script.mutant(
                script.replace(prediction, script.filled("torch.tensor(_p)", site)), also=also
            )
