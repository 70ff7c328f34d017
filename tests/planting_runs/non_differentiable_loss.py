"""The loss leaves the graph, and what then complains is silenced."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.backwards(script):
        if isinstance(site.bound["_l"], ast.Name) and not any(script.around(site.node, ast.ClassDef)):
            silenced = script.filled("_l = _l.detach().requires_grad_()", site)
            yield script.mutant(script.before(script.statement(site.node), silenced), also=[site.node])
