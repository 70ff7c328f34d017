"""What scales the data has seen the held-out part."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_s.fit(_x)", "_s.fit_transform(_x)"):
        split = next(
            iter(
                script.find(
                    "_a, _b, _c, _d = train_test_split(_x, _y, ...)", "_a, _b = train_test_split(_x, ...)"
                )
            ),
            None,
        )
        if split is None:
            continue
        whole = script.source(split.bound["_x"])
        scaler = script.source(site.bound["_s"])
        code = f"{whole} = {scaler}.fit_transform({whole})"
        makers = [found.node for found in script.find(f"{scaler} = _c(...)")]
        moved = [script.drop(item) for item in makers if isinstance(item, ast.stmt)]
        made = [script.moved(item) for item in makers if isinstance(item, ast.stmt)]
        statement = script.statement(site.node)
        edits = [script.before(script.statement(split.node), "\n".join([*made, code])), *moved]
        if isinstance(statement, ast.Assign):
            edits.append(
                script.replace(
                    statement.value, re.sub("fit_transform", "transform", script.source(statement.value))
                )
            )
        else:
            edits.append(script.drop(statement))
        yield script.mutant(*edits, also=[site.node])
    for site in script.find(
        "_mu, _sd = _x[:_n].mean(...), _x[:_n].std(...)",
        "_mu, _sd = _s[:_n].mean(), _s[:_n].std()",
        "_mu, _sd = _s[:_n].mean(), _s[:_n].std().clamp(...)",
    ):
        code = re.sub(r"\[:\w+\]", "", script.source(site.node))
        yield script.mutant(script.replace(site.node, code))
