"""A step with a gradient scaler leaves one of its calls out, or goes backward under autocast."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_s.scale(_l).backward()"):
        here = script.statement(site.node)
        steps = [found.node for found in script.find("_s.step(_o)")]
        made = [found.node for found in script.find("_s = _m.GradScaler(...)", "_s = GradScaler(...)")]
        yield script.mutant(script.replace(site.node, script.filled("_l.backward()", site)), also=steps)
        for found in script.find("_s.update()"):
            yield script.mutant(script.drop(script.statement(found.node)), at=[*steps, *made])
        unscaled = list(script.find("_s.unscale_(...)", within=script.function(here)))
        for found in [] if unscaled else script.find("_s.step(_o)"):
            yield script.mutant(script.replace(found.node, script.filled("_o.step()", found)), also=[here])
        block = script.block(here)
        previous = block[block.index(here) - 1]
        if isinstance(previous, ast.With) and "autocast" in script.source(previous):
            yield script.mutant(script.drop(here), script.after(previous.body[-1], script.moved(here)))
