"""Prediction and target differ by an axis of one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if "Categorical" in script.text or "functional_call" in script.text:
        return  # what is observed has no shape in the file, or comes out of functions within functions
    regressions = [found.node for found in sites.losses(script, *sites.REGRESSION, *sites.BINARY)]
    if not regressions:
        return
    names = {name.id for node in regressions for name in ast.walk(node) if isinstance(name, ast.Name)}
    for site in script.find("_x.squeeze(-1)", "_x.squeeze(1)"):
        statement = script.statement(site.node)
        code = script.source(statement)
        direct = isinstance(statement, ast.Assign) and script.source(statement.targets[0]) in names
        if (
            direct
            or isinstance(statement, ast.Return)
            or site.node in [inner for node in regressions for inner in ast.walk(node)]
        ) and "value" not in code:
            yield script.mutant(script.replace(site.node, script.source(site.bound["_x"])), also=regressions)
    for site in sites.losses(script, *sites.REGRESSION):
        target = site.bound["_t"]
        assert isinstance(target, ast.expr)
        if re.search(r"Linear\([\w.]+, 1\)", script.text) and "squeeze" not in script.text:
            yield script.mutant(
                script.replace(target, script.filled("_t.squeeze(-1)", site)), also=regressions
            )
