"""The wrapped module is called past its wrapper, or is moved when it is wrapped already."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # Who reduces gradients by hand may call the bare module.
    if "all_reduce" in script.text:
        return
    for site in script.find("_m = DDP(...)", "_m = DistributedDataParallel(...)"):
        # Where one process goes unwrapped, `.module` would fail there, loudly.
        if any(script.around(site.node, ast.If)):
            continue
        name = script.source(site.bound["_m"])
        for call in script.find(f"{name}(_x)"):
            loop = script.loop(call.node)
            if not sites.trains(script, call.node) or (
                loop is not None and not any(script.find("_l.backward()", within=loop))
            ):
                continue  # an evaluation
            code = script.filled(f"{name}.module(_x)", call)
            yield script.mutant(script.replace(call.node, code))
        for moved in script.find("_n.to(_d)", within=site.node):
            # What was moved before moves no more: a second time it would be no bug.
            first = script.replace(moved.node, script.filled("_n", moved))
            again = script.filled(f"{name} = {name}.to(_d)", moved)
            yield script.mutant(first, script.after(script.statement(site.node), again))
