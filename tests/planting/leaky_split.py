"""What scales the data has seen the held-out part, or the parts are set aside."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_s.fit(_x)", "_v = _s.fit_transform(_x)"):
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
        statements = [item for item in makers if isinstance(item, ast.stmt)]
        statement = script.statement(site.node)
        made = [script.moved(item) for item in statements if item is not statement]
        edits = [
            script.before(script.statement(split.node), "\n".join([*made, code])),
            *(script.drop(item) for item in statements),
        ]
        if isinstance(statement, ast.Assign):
            edits.append(
                script.replace(
                    statement.value, script.source(statement.value).replace("fit_transform", "transform")
                )
            )
        else:
            edits.append(script.drop(statement))
        yield script.mutant(*edits, also=[site.node, split.node])
    for site in script.find(
        "_a, _b = random_split(_d, ...)",
        "_a, _b = _m.random_split(_d, ...)",
        "_a, _b, _c = random_split(_d, ...)",
    ):
        part = script.source(site.bound["_a"])
        for loader in script.find(f"DataLoader({part}, ...)", f"_m.DataLoader({part}, ...)"):
            assert isinstance(loader.node, ast.Call)
            yield script.mutant(script.replace(loader.node.args[0], f"{part}.dataset"), also=[loader.node])
            whole = script.source(site.bound["_d"])
            if script.function(site.node) is script.function(loader.node):
                yield script.mutant(script.replace(loader.node.args[0], whole), also=[loader.node])
