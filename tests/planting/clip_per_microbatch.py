"""Each micro-batch of an accumulation is clipped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.clip_grad_norm_(...)", "_m.clip_grad_value_(...)"):
        here = script.statement(site.node)
        test = script.parent(here)
        if isinstance(test, ast.If) and script.alone(site.node) and "accumulate" not in script.source(test):
            yield script.mutant(script.drop(here), script.before(test, script.moved(here)))
    for site in script.find("_s.unscale_(_o)"):
        here = script.statement(site.node)
        test = script.parent(here)
        if isinstance(test, ast.If):
            yield script.mutant(script.drop(here), script.before(test, script.moved(here)))
