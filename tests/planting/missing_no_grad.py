"""An evaluation computes gradients."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for node in ast.walk(script.tree):
        if isinstance(node, ast.With) and _off(script, node.items[0].context_expr) and not node.items[1:]:
            around = script.loop(node)
            # One forward pass without a loop costs next to nothing.
            if around or any(isinstance(inner, ast.For) for inner in ast.walk(node)):
                body = "\n".join(script.moved(statement) for statement in node.body)
                body = body.replace("\n", "\n" + " " * node.col_offset)
                yield script.mutant(script.replace(node, body), also=[around])
        if isinstance(node, ast.FunctionDef) and len(node.decorator_list) == 1:
            decorator = node.decorator_list[0]
            loops = [inner for inner in ast.walk(node) if isinstance(inner, ast.For)]
            calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]
            if _off(script, decorator) and loops:
                yield script.mutant(script.undecorated(node), at=[node, *loops, *calls])


def _off(script: Script, node: ast.expr) -> bool:
    return bool(re.search(r"\b(no_grad|inference_mode)\(", script.source(node)))
