"""A layer expects another size than the one before it gives."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.Sequential(...)"):
        call = site.node
        assert isinstance(call, ast.Call)
        linear = [arg for arg in call.args if re.match(r"\w+\.Linear\(", script.source(arg))]
        for before, after in itertools.pairwise(linear):
            assert isinstance(after, ast.Call)
            assert isinstance(before, ast.Call)
            size = after.args[0]
            if isinstance(size, ast.Constant) and isinstance(size.value, int):
                yield script.mutant(script.replace(size, str(size.value * 2)), also=linear)
                yield script.mutant(script.replace(before.args[1], str(size.value // 2)), also=linear)
    for node in script.classes("Module"):
        found = list(script.find("self._a = _n.Linear(_i, _o)", within=node))
        for one, other in itertools.pairwise(found):
            size = other.bound["_i"]
            if isinstance(size, ast.Constant) and isinstance(size.value, int):
                forward = next((item for item in node.body if getattr(item, "name", "") == "forward"), None)
                calls = (
                    [inner for inner in ast.walk(forward) if isinstance(inner, ast.Call)] if forward else []
                )
                yield script.mutant(script.replace(size, str(size.value + 1)), also=[one.node, *calls])
