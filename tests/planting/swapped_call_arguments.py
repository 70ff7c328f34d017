"""Two arguments change places.

Not where a name of one letter says nothing (`f(t, x)`), unless it stands in the place of a model.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    functions = {
        node.name: [arg.arg for arg in node.args.args]
        for node in ast.walk(script.tree)
        if isinstance(node, ast.FunctionDef)
    }
    for name, parameters in functions.items():
        for site in script.find(f"{name}(...)"):
            call = site.node
            assert isinstance(call, ast.Call)
            for (number, one), (_, other) in itertools.pairwise(enumerate(call.args)):
                if not isinstance(one, ast.Name) or not isinstance(other, ast.Name):
                    continue
                if min(len(one.id), len(other.id)) < 2 and not {one.id, other.id} & {"model", "net"}:
                    continue
                if (one.id, other.id) == tuple(parameters[number : number + 2]):
                    yield script.mutant(
                        script.replace(one, other.id), script.replace(other, one.id), also=[call]
                    )
                    break
