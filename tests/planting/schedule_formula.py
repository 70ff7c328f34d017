"""The first rate is zero."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("(_e + 1) / _w", "_e + 1"):
        statement = script.statement(site.node)
        makers = [found.node for found in script.find("LambdaLR(...)", "_m.LambdaLR(...)")]
        function = script.function(statement)
        in_lambda = any("LambdaLR" in script.source(node) for node in makers if site.node in ast.walk(node))
        named = isinstance(function, ast.FunctionDef) and any(
            function.name in script.source(node) for node in makers
        )
        if not (in_lambda or named) or (
            isinstance(script.parent(site.node), ast.BinOp) and "_w" not in site.bound
        ):
            continue
        # Stepped from batch to batch, one wasted step is no harm.
        if "_w" in site.bound and re.search("epoch", script.source(site.bound["_e"])):
            also = [*makers, statement, *([function] if isinstance(function, ast.FunctionDef) else [])]
            yield script.mutant(script.replace(site.node, script.filled("_e / _w", site)), also=also)
