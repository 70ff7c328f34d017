"""The comparison that keeps the best model points the other way, or starts from the wrong end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    turned = {"<": ">", ">": "<"}
    for node in ast.walk(script.tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Lt, ast.Gt)):
            left, right = script.source(node.left), script.source(node.comparators[0])
            if re.search(r"best|lowest", left + right):
                sign = "<" if isinstance(node.ops[0], ast.Lt) else ">"
                yield script.mutant(script.replace(node, f"{left} {turned[sign]} {right}"))
    for site in script.find("_best = float('inf')", "_best = np.inf", "_best = math.inf"):
        if isinstance(site.node, ast.Assign) and re.search(r"best|lowest", script.source(site.node)):
            compared = [
                node
                for node in ast.walk(script.tree)
                if isinstance(node, ast.Compare) and script.source(site.bound["_best"]) in script.source(node)
            ]
            if compared:
                yield script.mutant(script.replace(site.node.value, "0.0"), also=compared)
