"""Accumulated gradients are a sum, and the last ones are lost."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    backs = [found.node for found in script.find("_l.backward()")]
    for site in script.find("_l / _n"):
        count = script.source(site.bound["_n"])
        if "accum" not in count or re.search(r"ceil|len\(", script.source(script.statement(site.node))):
            continue
        whole = script.replace(site.node, script.filled("_l", site))
        # The remainder of the epoch, for which the sound script steps once more.
        steps = [
            script.replace(node, script.source(node.values[0]))
            for node in ast.walk(script.tree)
            if isinstance(node, ast.BoolOp)
            and isinstance(node.op, ast.Or)
            and count in script.source(node.values[0])
        ]
        yield script.mutant(whole, *steps, also=backs)
    for site in script.find("optimizer.zero_grad()"):
        # A larger batch in the simplest way: every fourth step.
        loop = script.loop(site.node)
        step = next(iter(script.find("optimizer.step()", within=loop or script.tree)), None)
        if (
            isinstance(loop, ast.For)
            and step
            and script.alone(site.node)
            and re.match(r"\w+, \w+$", script.source(loop.target))
        ) and (
            script.statement(site.node) in loop.body
            and script.statement(step.node) in loop.body
            and not re.search("sched|clip|enumerate|scaler|accelerator|closure", script.source(loop))
        ):
            body = "if (i + 1) % 4 == 0:\n    optimizer.step()\n    optimizer.zero_grad()"
            head = (
                script.replace(loop.target, f"i, ({script.source(loop.target)})"),
                script.replace(loop.iter, f"enumerate({script.source(loop.iter)})"),
            )
            yield script.mutant(
                *head,
                script.drop(script.statement(site.node)),
                script.drop(script.statement(step.node)),
                script.after(script.statement(step.node), body),
                also=[*backs, step.node],
            )
