"""The model gets a new head after the optimizer was made of its parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    linear = script.spelling("torch.nn.Linear")
    for site in script.find(
        *(f"_o = _f.{kind}(_n.parameters(), ...)" for kind in ("AdamW", "Adam", "SGD", "RMSprop"))
    ):
        name = script.source(site.bound["_n"])
        block = script.block(script.statement(site.node))
        made = next(
            (
                found
                for found in script.find(f"{name} = _c(...)", f"{name} = _c(...).to(_d)")
                if found.node in block
            ),
            None,
        )
        if made is None or linear is None:
            continue
        own = next(
            (
                node
                for node in script.classes("Module")
                if node.name == script.source(made.bound["_c"])
                if isinstance(made.bound["_c"], ast.expr)
            ),
            None,
        )
        inner = (
            [str(found.bound["_a"]) for found in script.find("self._a = _m.Linear(_i, _j)", within=own)]
            if own
            else []
        )
        for layer in inner[-1:]:
            head = f"{name}.{layer} = {linear}({name}.{layer}.in_features, {name}.{layer}.out_features)"
            yield script.mutant(script.after(script.statement(site.node), head), also=[site.node])
            sizes = f"{name}.{layer}.in_features, {name}.{layer}.out_features"
            kept = f"head = {linear}({sizes})\n{name}.{layer} = head"
            yield script.mutant(script.after(script.statement(site.node), kept), also=[site.node])
