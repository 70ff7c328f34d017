"""`eval()` is forgotten before an evaluation.

Only where the model trains at that moment: not where an evaluation before has left it in the other mode
(a second test, a teacher that was tested when its training ended), nor where the caller's mode is put back.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if not re.search(r"Dropout|BatchNorm|dropout", script.text):
        return
    for site in script.find("_m.eval()"):
        here = script.statement(site.node)
        if (
            not script.alone(site.node)
            or not list(script.find("_m.train(...)"))
            or sites.in_evaluation(script, here)
        ):
            continue
        scope = script.function(here)
        called = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(scope)}
        inside = [
            node
            for node in ast.walk(script.tree)
            if isinstance(node, ast.FunctionDef) and node.name in called
        ]
        calls = [
            found.node
            for place in (scope, *inside)
            for found in script.find("_m(...)", "self(...)", within=place)
        ]
        loops = [node for node in ast.walk(scope) if isinstance(node, ast.For)]
        function = [scope] if isinstance(scope, ast.FunctionDef) else []
        yield script.mutant(script.drop(here), at=[*calls, *loops, *function])
