"""Samples and features are regrouped with a wrong number of features.

Of images: how long a signal is that comes out of 1-D convolutions no layer says, and one step would be right.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_x.flatten(1)", "_m.flatten(_x, 1)", "_x.view(_x.size(0), -1)"):
        method = script.function(site.node)
        if not isinstance(method, ast.FunctionDef) or method.name != "forward":
            continue
        # Only a convolution or a pool before it says what a sample is.
        if "2d(" not in script.source(script.parent(method)):
            continue
        for found in script.find("_n.Linear(_a, _b)"):
            product = found.bound["_a"]
            times = isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult)
            half = None
            if times and isinstance(product.left, ast.Constant):
                # One axis is forgotten, in the view and in the layer alike.
                half = script.source(product.left)
            elif isinstance(product, ast.Constant) and isinstance(product.value, int):
                half = str(product.value * 3 // 4) if product.value % 4 == 0 and product.value > 32 else None
            if half and "Conv1d" not in script.text and _reads(script, found.node, site.node):
                call = found.node
                assert isinstance(call, ast.Call)
                yield script.mutant(
                    script.replace(site.node, script.filled(f"_x.view(-1, {half})", site)),
                    script.replace(call.args[0], half),
                )


def _reads(script: Script, layer: ast.AST, flattened: ast.AST) -> bool:
    """Whether this layer is the one that is given what was flattened."""
    made, call = script.parent(layer), script.parent(flattened)
    return (
        isinstance(made, ast.Assign)
        and isinstance(call, ast.Call)
        and script.source(made.targets[0]) == script.source(call.func)
    )
