"""The first rate is zero."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("(_e + 1) / _w", "_e + 1"):
        statement = script.statement(site.node)
        makers = [found.node for found in script.find("LambdaLR(...)", "_m.LambdaLR(...)")]
        function = script.function(statement)
        in_lambda = any("LambdaLR" in script.source(node) for node in makers if site.node in ast.walk(node))
        named = isinstance(function, ast.FunctionDef) and any(
            function.name in script.source(node) for node in makers
        )
        if not (in_lambda or named) or (
            isinstance(script.parent(site.node), ast.BinOp) and "_w" not in site.bound
        ):
            continue
        # Stepped from batch to batch, one wasted step is no harm.
        if "_w" in site.bound and re.search("epoch", script.source(site.bound["_e"])):
            also = [*makers, statement, *([function] if isinstance(function, ast.FunctionDef) else [])]
            yield script.mutant(script.replace(site.node, script.filled("_e / _w", site)), also=also)
    yield from _warmed_up(script)


def _warmed_up(script: Script) -> Iterator[Mutant]:
    """A warm-up of five epochs before a loop over epochs, where there is no schedule."""
    torch = script.spelling("torch.optim")
    if torch is None or "sched" in script.text or "def closure" in script.text:
        return
    for site in run_sites.optimizers(script):
        made = script.statement(site.node)
        block = script.block(made)
        later = block[block.index(made) + 1 :] if made in block else []
        loop = next((node for node in later if isinstance(node, ast.For)), None)
        if loop is None or not isinstance(made, ast.Assign) or "epoch" not in script.source(loop.target):
            continue
        (target,) = made.targets
        rate = f"{torch}.lr_scheduler.LambdaLR({script.source(target)}, lambda epoch: min(1.0, epoch / 5))"
        begun = script.after(made, f"warmup = {rate}")
        yield script.mutant(begun, script.after(loop.body[-1], "warmup.step()"))
