"""A rate for another optimizer, or with a zero too few."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_f.AdamW(_p, ..., lr=_r)", "_f.Adam(_p, ..., lr=_r)", "Adam(_p, ..., lr=_r)", "AdamW(_p, ..., lr=_r)"
    ):
        rate = site.bound["_r"]
        assert isinstance(rate, ast.expr)
        for value in ("0.5", "10"):
            yield script.mutant(script.replace(rate, value))
    for site in script.find("_f.SGD(_p, ..., lr=_r)", "SGD(_p, ..., lr=_r)"):
        rate = site.bound["_r"]
        assert isinstance(rate, ast.expr)
        yield script.mutant(script.replace(rate, "50"))
        yield script.mutant(script.replace(rate, "1e-9"))
