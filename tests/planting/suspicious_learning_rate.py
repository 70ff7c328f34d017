"""A rate for another optimizer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        *(f"{f}{kind}(_p, ..., lr=_r)" for kind in ("Adam", "AdamW") for f in ("_f.", ""))
    ):
        rate = site.bound["_r"]
        if isinstance(rate, ast.Constant):
            for value in ("0.5", "10"):
                yield script.mutant(script.replace(rate, value))
