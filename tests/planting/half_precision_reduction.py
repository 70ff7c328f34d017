"""The loss is accumulated in float16."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    squared = [found.node for found in sites.losses(script, "MSELoss")]
    for site in sites.losses(script, "CrossEntropyLoss", "MSELoss"):
        prediction, target = site.bound["_p"], site.bound["_t"]
        assert isinstance(prediction, ast.expr)
        assert isinstance(target, ast.expr)
        under = [
            script.source(item.context_expr)
            for node in script.around(site.node, ast.With)
            if isinstance(node, ast.With)
            for item in node.items
        ]
        # Autocast computes losses in float32 again.
        if any("autocast" in code or code == "context" for code in under):
            continue
        if sites.trains(script, site.node) and not sites.evaluates(script, site.node):
            edits = [script.replace(prediction, script.filled("_p.half()", site))]
            if site.node in squared:
                edits.append(script.replace(target, script.filled("_t.half()", site)))
            yield script.mutant(*edits)
