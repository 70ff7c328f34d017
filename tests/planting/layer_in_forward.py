"""A layer is built each time it is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for node in script.classes("Module"):
        forward = next((item for item in node.body if getattr(item, "name", "") == "forward"), None)
        if forward is None:
            continue
        for site in script.find(
            "self._a = _n.Linear(_i, _o)", "self._a = _n.Conv2d(_i, _o, ...)", within=node
        ):
            layer = str(site.bound["_a"])
            sizes = [site.bound["_i"], site.bound["_o"]]
            # Only sizes that forward can see.
            if all(
                isinstance(size, (ast.Constant, ast.BinOp)) and not re.search("[a-z]", script.source(size))
                for size in sizes
            ):
                for call in script.find(f"self.{layer}(_x)", within=forward):
                    made = script.source(site.node).split("=", 1)[1].strip()
                    yield script.mutant(
                        script.replace(call.node, script.filled(f"{made}(_x)", call)),
                        script.drop(script.statement(site.node)),
                    )
                    edit = script.before(script.statement(call.node), f"self.{layer} = {made}")
                    yield script.mutant(script.drop(script.statement(site.node)), edit)
