"""The first rate is zero, or a ramp goes the wrong way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import FUNCTIONS, Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("(_e + 1) / _w"):
        if re.search("warm", script.source(site.bound["_w"]), re.IGNORECASE):
            makers = [found.node for found in script.find("LambdaLR(...)", "_m.LambdaLR(...)")]
            statement = script.statement(site.node)
            function = next(script.around(site.node, *FUNCTIONS), None)
            also = [*makers, statement, *([function] if isinstance(function, ast.FunctionDef) else [])]
            yield script.mutant(script.replace(site.node, script.filled("_e / _w", site)), also=also)
            yield script.mutant(script.replace(site.node, script.filled("1 - _e / _w", site)), also=also)
            yield script.mutant(script.replace(site.node, script.filled("_w / (_e + 1)", site)), also=also)
    for site in script.find("if _e < _w:\n    return _r"):
        pass
