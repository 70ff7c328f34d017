"""A result that backward needs is written over."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_y = _t.tanh(_x)",
        "_y = _t.sigmoid(_x)",
        "_y = _t.relu(_x)",
        "_y = _f.softmax(_x, ...)",
        "_y = _x.exp()",
        "_y = _t.exp(_x)",
    ):
        method = script.function(site.node)
        target = script.source(site.bound["_y"])
        if isinstance(method, ast.FunctionDef) and method.name == "forward" and target.isidentifier():
            yield script.mutant(script.after(site.node, f"{target} += 1.0"))
            yield script.mutant(script.after(site.node, f"{target}.mul_(2)"))
