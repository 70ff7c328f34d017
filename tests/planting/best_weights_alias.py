"""The best weights are kept without a copy."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_c.deepcopy(_m.state_dict())", "deepcopy(_m.state_dict())"):
        # The copy made before training is overwritten; the one kept inside the loop is the bug.
        inner = next(script.around(site.node, ast.If), None)
        if inner is not None:
            yield script.mutant(script.replace(site.node, script.filled("_m.state_dict()", site)))
