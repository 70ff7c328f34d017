"""`super().__init__()` is forgotten, or comes last."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("super().__init__()", "super(_c, self).__init__()"):
        here = script.statement(site.node)
        block = script.block(here)
        owner = next(script.around(here, ast.ClassDef), None)
        if not isinstance(owner, ast.ClassDef) or not re.search(
            "Module", "".join(map(script.source, owner.bases))
        ):
            continue
        layers = [
            item for item in block if re.search(r"nn\.|Linear|Conv", script.source(item)) and item is not here
        ]
        if layers:
            yield script.mutant(script.drop(here), at=[*layers, *block, owner, script.function(here)])
            yield script.mutant(
                script.drop(here), script.after(block[-1], script.moved(here)), at=[*layers, *block]
            )
