"""Gradients are clipped before they exist, after they were used, or before they are unscaled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.clip_grad_norm_(...)", "_m.clip_grad_value_(...)"):
        here = script.statement(site.node)
        block = script.block(here)
        if not script.alone(site.node):
            continue
        for other in block:
            code = script.source(other)
            back = re.search(r"\.backward\(", code) and isinstance(other, ast.Expr)
            step = re.search(r"\.(step)\(", code) and isinstance(other, ast.Expr) and "sched" not in code
            unscale = re.search(r"\.unscale_\(", code)
            if back and block.index(other) < block.index(here):
                yield script.mutant(script.drop(here), script.before(other, script.moved(here)))
            elif step and block.index(other) > block.index(here):
                yield script.mutant(script.drop(here), script.after(other, script.moved(here)))
            elif unscale and block.index(other) < block.index(here):
                yield script.mutant(script.drop(here), script.before(other, script.moved(here)))
