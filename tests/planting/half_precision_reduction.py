"""A reduction is accumulated in float16."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_f.softmax(_x, dim=_d)"):
        if re.search("[a-z]", script.source(site.bound["_x"])) and "randn" not in script.source(site.node):
            yield script.mutant(
                script.replace(site.node, script.filled("_f.softmax(_x.half(), dim=_d)", site))
            )
    for site in sites.losses(script, "CrossEntropyLoss", "MSELoss"):
        prediction = site.bound["_p"]
        target = site.bound["_t"]
        assert isinstance(prediction, ast.expr)
        assert isinstance(target, ast.expr)
        if sites.trains(script, site.node) and not sites.evaluates(script, site.node):
            edits = [script.replace(prediction, script.filled("_p.half()", site))]
            if any(found.node is site.node for found in sites.losses(script, "MSELoss")):
                edits.append(script.replace(target, script.filled("_t.half()", site)))
            yield script.mutant(*edits)
