"""`forward` is called past the hooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("model(_x)", "net(_x)", "self.model(_x)", "gcn(_x, ...)"):
        call = site.node
        assert isinstance(call, ast.Call)
        yield script.mutant(script.replace(call.func, script.source(call.func) + ".forward"))
