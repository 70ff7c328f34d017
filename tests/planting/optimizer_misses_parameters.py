"""The optimizer holds a part of the model, or is made before the model is finished."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    layers = {
        script.source(found.node.targets[0]).removeprefix("self.")
        for found in script.find("_x = _m.Linear(...)", "_x = Linear(...)")
        if isinstance(found.node, ast.Assign) and script.source(found.node.targets[0]).startswith("self.")
    }
    for site in script.find(
        "_m.AdamW(_n.parameters(), ...)", "_m.Adam(_n.parameters(), ...)", "_m.SGD(_n.parameters(), ...)"
    ):
        statement = script.statement(site.node)
        name = script.source(site.bound["_n"])
        if name == "self" or not isinstance(statement, ast.Assign):
            continue
        block = script.block(statement)
        classes = [node.name for node in script.classes("Module")]
        made = next(
            (
                found
                for found in script.find(f"{name} = _c(...)", f"{name} = _c(...).to(_d)")
                if found.node in block
            ),
            None,
        )
        if made is None:
            continue
        cls = made.bound["_c"] if isinstance(made.bound["_c"], str) else script.source(made.bound["_c"])
        own = next((node for node in script.classes("Module") if node.name == cls), None)
        if own is None:
            continue
        inner = [
            script.source(found.node.targets[0])
            for found in script.find("_x = _m.Linear(_a, ...)", within=own)
            if isinstance(found.node, ast.Assign) and script.source(found.node.targets[0]).startswith("self.")
        ]
        for layer in inner[-1:]:
            path = layer.replace("self", name, 1)
            # A head as for another number of classes, after the optimizer was made.
            code = f"{path} = nn.Linear({path}.in_features, {path}.out_features)"
            if script.spelling("torch.nn.Linear") == "nn.Linear":
                yield script.mutant(script.after(statement, code), also=[statement])
            part = script.source(site.node).replace(f"{name}.parameters()", f"{path}.parameters()", 1)
            if len(inner) > 1:
                yield script.mutant(script.replace(site.node, part))
