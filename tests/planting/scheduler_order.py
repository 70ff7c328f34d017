"""The scheduler steps before the optimizer, at the wrong pace, without its metric, or never."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_s.step(_metric)"):
        if (
            "ReduceLROnPlateau" in script.text
            and script.alone(site.node)
            and "scaler" not in script.source(site.node)
        ):
            yield script.mutant(script.replace(site.node, script.filled("_s.step()", site)))
    for site in script.find("_s.step()"):
        name = script.source(site.bound["_s"])
        here = script.statement(site.node)
        if "sched" not in name or not script.alone(site.node):
            continue
        made = [
            found.node
            for found in script.find(
                "_x = _m.lr_scheduler._c(...)", "_x = lr_scheduler._c(...)", "_x = _c(...)"
            )
            if isinstance(found.node, ast.Assign) and script.source(found.node.targets[0]) == name
        ]
        block = script.block(here)
        before = block[: block.index(here)]
        loops = [node for node in before if isinstance(node, ast.For)]
        yield script.mutant(script.drop(here), at=made)
        for found in script.find("_o.step()", within=script.function(here)):
            step = script.statement(found.node)
            if step in before and script.alone(found.node) and "sched" not in script.source(found.node):
                yield script.mutant(script.drop(here), script.before(step, script.moved(here)), also=[step])
        for loop in loops:
            if list(script.find("_o.step()", within=loop)) and re.search("Cosine|StepLR", script.text):
                yield script.mutant(script.drop(here), script.after(loop.body[-1], script.moved(here)))
        if re.search("OneCycle|get_linear_schedule|warmup", script.text):
            around = script.loop(here)
            if around is not None and any(script.find("_l.backward()", within=around)):
                yield script.mutant(script.drop(here), script.after(around, script.moved(here)))
