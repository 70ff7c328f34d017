"""`eval()` is forgotten before an evaluation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if not re.search(r"Dropout|BatchNorm|dropout", script.text):
        return
    for site in script.find("_m.eval()"):
        if not script.alone(site.node) or not list(script.find("_m.train(...)")):
            continue
        here = script.statement(site.node)
        scope = script.function(here)
        calls = [found.node for found in script.find("_m(...)", "self(...)", within=scope)]
        loops = [node for node in ast.walk(scope) if isinstance(node, ast.For)]
        function = [scope] if isinstance(scope, ast.FunctionDef) else []
        yield script.mutant(script.drop(here), at=[*calls, *loops, *function])
