"""`eval()` is forgotten before an evaluation.

Only where the model trains at that moment: not where an evaluation before has left it in the other mode
(a second test, a teacher that was tested when its training ended), nor where the caller's mode is put back.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script

# What a model generates is held against nothing: it may be meant to vary.
_UNJUDGED = re.compile(r"\.generate\(|\.sample\(")


def plant(script: Script) -> Iterator[Mutant]:
    if not re.search(r"Dropout|BatchNorm|dropout", script.text):
        return
    for site in script.find("_m.eval()"):
        here = script.statement(site.node)
        if not script.alone(site.node) or not list(script.find("_m.train(...)")) or _unchanged(script, here):
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


def _unchanged(script: Script, here: ast.stmt) -> bool:
    """Whether nothing goes wrong without the call."""
    scope = script.function(here)
    model = script.source(here).removesuffix(".eval()")
    around = script.source(scope) if isinstance(scope, ast.FunctionDef) else ""
    if getattr(scope, "name", "") == "train" or ".training" in around:
        return True  # a frozen part, or a mode that is put back
    if ".backward(" in around and f"{model}.train(" not in around:
        return True  # the teacher of what trains here
    block = script.block(here)
    after = "\n".join(script.source(statement) for statement in block[block.index(here) + 1 :])
    if _UNJUDGED.search(after):
        return True
    before = "\n".join(script.source(statement) for statement in block[: block.index(here)])
    if before.rfind(f"{model}.eval()") > before.rfind(f"{model}.train()"):
        return True
    return isinstance(scope, ast.FunctionDef) and _after_another(script, scope)


def _after_another(script: Script, function: ast.FunctionDef) -> bool:
    """Whether another evaluation of the script comes first wherever this one is called: `f(m), g(m)`."""
    others = {
        node.name
        for node in ast.walk(script.tree)
        if isinstance(node, ast.FunctionDef) and node is not function and ".eval()" in script.source(node)
        if ".train(" not in script.source(node)
    }
    calls = [script.source(script.statement(site.node)) for site in script.find(f"{function.name}(...)")]
    return bool(calls) and all(
        any(0 <= call.find(f"{other}(") < call.find(f"{function.name}(") for other in others)
        for call in calls
    )
