"""Inputs and labels are shuffled apart."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_x, _y = _x[_p], _y[_p]", "_t, _w = _t[_order], _w[_order].astype(...)"):
        order = script.source(site.bound.get("_p") or site.bound["_order"])
        statement = site.node
        made = next(
            (
                found.node
                for found in script.find(f"{order} = _m.randperm(_n)", f"{order} = _m.permutation(_n)")
            ),
            None,
        )
        if isinstance(made, ast.Assign):
            again = script.source(made.value)
            code = script.source(statement)
            at = code.rindex(f"[{order}]")
            yield script.mutant(
                script.replace(statement, f"{code[:at]}[{again}]{code[at + len(order) + 2 :]}"), also=[made]
            )
    for site in script.find("TensorDataset(_x, _y)", "_m.TensorDataset(_x, _y)"):
        inputs = site.bound["_x"]
        # Labels that are computed from the inputs there and then follow them.
        follows = re.search(rf"\b{script.source(inputs)}\b", script.source(site.bound["_y"]))
        if (
            isinstance(inputs, ast.Name)
            and not follows
            and script.spelling("torch.randperm") == "torch.randperm"
        ):
            code = f"{inputs.id} = {inputs.id}[torch.randperm(len({inputs.id}))]"
            statement = script.statement(site.node)
            assert isinstance(site.node, ast.Call)
            labels = script.source(site.bound["_y"])
            if labels.isidentifier():
                more = f"{code}\n{labels} = {labels}[torch.randperm(len({labels}))]"
                yield script.mutant(script.before(statement, more), also=[site.node])
            yield script.mutant(script.before(statement, code), also=[site.node])
