"""Each epoch draws the same numbers.

Not each fold: to begin every fold's network anew from the same weights is meant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_m.manual_seed(_s)", "set_seed(_s)", "seed_everything(_s)", "_m.seed_everything(_s)"
    ):
        if not script.alone(site.node):
            continue
        here = script.statement(site.node)
        for node in ast.walk(script.tree):
            if isinstance(node, ast.For) and "epoch" in script.source(node.target):
                seed = script.source(site.node)
                if script.function(node) is script.function(here):
                    yield script.mutant(script.drop(here), script.before(node.body[0], seed))
