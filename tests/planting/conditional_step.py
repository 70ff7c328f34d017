"""The optimizer steps only when progress is printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_o.step()"):
        here = script.statement(site.node)
        block = script.block(here)
        loop = script.loop(here)
        if (
            not script.alone(site.node)
            or "sched" in script.source(site.node)
            or not isinstance(loop, ast.For)
        ):
            continue
        if not any(
            re.search(r"\.backward\(", script.source(other)) for other in block if isinstance(other, ast.Expr)
        ):
            continue
        for other in block[block.index(here) :]:
            # Into the block that prints: one indentation too many.
            if (
                isinstance(other, ast.If)
                and "%" in script.source(other.test)
                and "print" in script.source(other)
            ):
                yield script.mutant(script.drop(here), script.before(other.body[0], script.moved(here)))
                break
        else:
            if re.match(r"\(?(i|step|batch_idx|it)\b", script.source(loop.target)):
                name = re.match(r"\(?(\w+)", script.source(loop.target))
                assert name
                code = f"if {name[1]} % 10 == 0:\n    {script.moved(here)}\n    print({name[1]})"
                yield script.mutant(script.drop(here), script.before(here, code))
