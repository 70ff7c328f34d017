"""A batch of an odd size."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("DataLoader(..., batch_size=_b)", "_m.DataLoader(..., batch_size=_b)"):
        size = site.bound["_b"]
        if isinstance(size, ast.Constant) and "shuffle=True" in script.source(site.node):
            yield script.mutant(script.replace(size, "33"))
