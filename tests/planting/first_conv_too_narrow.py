"""The first convolution has no more filters than the image has channels."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.Conv2d(3, _o, ...)", "_n.Conv2d(1, _o, ...)"):
        outputs = site.bound["_o"]
        call = site.node
        assert isinstance(call, ast.Call)
        assert isinstance(outputs, ast.expr)
        # Whatever follows would have to be as narrow.
        yield script.mutant(script.replace(outputs, script.source(call.args[0])))
