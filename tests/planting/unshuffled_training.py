"""The training loader keeps the order of the data.

Only where the script shows the data: those that a function is given may be random, or ordered on purpose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import FUNCTIONS, Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # The order of random samples means nothing.
    if "rand" in script.text or ".backward(" not in script.text:
        return
    given = {
        argument.arg
        for node in ast.walk(script.tree)
        if isinstance(node, FUNCTIONS)
        for argument in node.args.args
    }
    for site in script.find("DataLoader(_d, ..., shuffle=True)", "_m.DataLoader(_d, ..., shuffle=True)"):
        names = {node.id for node in ast.walk(site.bound["_d"]) if isinstance(node, ast.Name)}
        if names & given - {"self"}:
            continue
        code = script.source(site.node)
        yield script.mutant(script.replace(site.node, re.sub(r"shuffle=True", "shuffle=False", code)))
        yield script.mutant(script.replace(site.node, re.sub(r",\s*shuffle=True", "", code)))
