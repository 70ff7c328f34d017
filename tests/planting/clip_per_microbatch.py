"""Each micro-batch of an accumulation is clipped."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.clip_grad_norm_(...)", "_m.clip_grad_value_(...)", "_s.unscale_(_o)"):
        here = script.statement(site.node)
        test = script.parent(here)
        if not isinstance(test, ast.If) or not script.alone(site.node) or "%" not in script.source(test.test):
            continue
        if any(re.search(r"\.step\(", script.source(item)) for item in test.body):
            yield script.mutant(script.drop(here), script.before(test, script.moved(here)))
    for site in script.find("optimizer.step()"):
        here = script.statement(site.node)
        test = script.parent(here)
        if (
            isinstance(test, ast.If)
            and "%" in script.source(test.test)
            and "clip" not in script.source(test)
            and script.loop(test)
        ):
            yield script.mutant(
                script.before(test, "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)")
            )
