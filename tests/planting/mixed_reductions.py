"""One term of the loss is a sum, the other a mean."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_x.mean()"):
        outer = next(script.around(site.node, ast.BinOp), None)
        statement = script.statement(site.node)
        code = script.source(statement)
        if not isinstance(statement, (ast.Assign, ast.Return)) or not re.search(
            r"loss|kl|diverg", code, re.IGNORECASE
        ):
            continue
        terms = [found.node for found in script.find("_a + _b", within=script.function(site.node))]
        terms = [
            node
            for node in terms
            if re.search(r"loss|penalty|kl|entropy|recon", script.source(node), re.IGNORECASE)
        ]
        name = script.source(statement.targets[0]) if isinstance(statement, ast.Assign) else ""
        if name and not any(re.search(rf"\b{re.escape(name)}\b", script.source(node)) for node in terms):
            continue  # it stands alone
        if terms and not sites.evaluates(script, site.node) and outer is None:
            yield script.mutant(script.replace(site.node, script.filled("_x.sum()", site)), also=terms)
    for site in script.find(
        "_f.mse_loss(_p, _t)", "_f.binary_cross_entropy_with_logits(_p, _t)", "_f.cross_entropy(_p, _t)"
    ):
        terms = [found.node for found in script.find("_a + _b", within=script.function(site.node))]
        terms = [
            node
            for node in terms
            if re.search(r"loss|penalty|kl|entropy|recon", script.source(node), re.IGNORECASE)
        ]
        name = script.source(site.node).split("(")[0].split(".")[-1]
        statement = script.statement(site.node)
        if isinstance(statement, ast.Assign) and any(
            script.source(node).startswith(f"{script.source(statement.targets[0])} +") for node in terms
        ):
            continue  # a running total of the same kind
        if terms and not sites.evaluates(script, site.node):
            yield script.mutant(
                script.replace(site.node, script.filled(f"_f.{name}(_p, _t, reduction='sum')", site)),
                also=terms,
            )
