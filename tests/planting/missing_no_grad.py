"""An evaluation computes gradients.

Only a pass that holds predictions against something; a network whose parameters are frozen records nothing,
and writes to parameters with gradients on stop the script.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script

_JUDGES = re.compile(r"==|\beq\(|loss|criterion|mse|confusion|accuracy|metric|update\(|argmax")


def plant(script: Script) -> Iterator[Mutant]:
    off = {
        node.name
        for node in ast.walk(script.tree)
        if isinstance(node, ast.FunctionDef) and any(_off(script, item) for item in node.decorator_list)
    }
    for node in ast.walk(script.tree):
        if isinstance(node, ast.With) and _off(script, node.items[0].context_expr) and not node.items[1:]:
            around = script.loop(node)
            # One forward pass without a loop costs next to nothing.
            if (around or any(isinstance(inner, ast.For) for inner in ast.walk(node))) and _costs(
                script, node, around
            ):
                body = "\n".join(script.moved(statement) for statement in node.body)
                body = body.replace("\n", "\n" + " " * node.col_offset)
                yield script.mutant(script.replace(node, body), also=[around])
        if isinstance(node, ast.FunctionDef) and len(node.decorator_list) == 1:
            decorator = node.decorator_list[0]
            loops = [inner for inner in ast.walk(node) if isinstance(inner, ast.For)]
            calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
            named = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
            if _off(script, decorator) and loops and _costs(script, node) and not named & off:
                yield script.mutant(script.undecorated(node), at=[node, *loops, *calls])


def _costs(script: Script, node: ast.With | ast.FunctionDef, around: ast.stmt | None = None) -> bool:
    """Whether predictions are made here, held against something, and no training goes on beside it."""
    text, beside = script.source(node), script.source(around) if around else ""
    writes = re.search(r"\w_\(|-= lr", re.sub(r"requires_grad_\(", "", text))
    own = isinstance(node, ast.FunctionDef) and node.args.args[:1] and node.args.args[0].arg == "self"
    generates = own and not re.search("loss|==", text)
    return bool(
        not writes
        and not generates
        and (_JUDGES.search(text) or _JUDGES.search(beside))
        and ".backward(" not in beside
    )


def _off(script: Script, node: ast.expr) -> bool:
    return bool(re.search(r"\b(no_grad|inference_mode)\(", script.source(node)))
