"""`zero_grad` and `step` stand on the wrong side of `backward`, or one of the two is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for back in script.find("_l.backward(...)"):
        if not script.alone(back.node):
            continue
        here = script.statement(back.node)
        block = script.block(here)
        scope = script.function(here)
        steps = [
            site for site in script.find("_o.step()", within=scope) if "sched" not in script.source(site.node)
        ]
        # With several losses, or optimizers, the others go on.
        if len(steps) != 1 or len(list(script.find("_l.backward(...)", within=scope))) != 1:
            continue
        for site in script.find("_o.zero_grad(...)", within=scope):
            clear = script.statement(site.node)
            if clear in block and script.alone(site.node) and block.index(clear) < block.index(here):
                late = script.after(here, script.moved(clear))
                yield script.mutant(script.drop(clear), late, also=[here])
        step = script.statement(steps[0].node)
        if step in block and script.alone(steps[0].node) and block.index(step) > block.index(here):
            early = script.before(here, script.moved(step))
            yield script.mutant(script.drop(step), early, also=[here])
            yield script.mutant(script.drop(step), at=[here])
            # Without the loss, which goes with a `backward` on the same line, nobody would write the step.
            if isinstance(back.bound["_l"], ast.Name):
                yield script.mutant(script.drop(here), at=[step])
