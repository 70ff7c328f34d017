"""Each rank reports its own figure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if "DistributedSampler" not in script.text:
        return
    reduced = [
        script.statement(site.node) for site in script.find("_d.all_reduce(...)") if script.alone(site.node)
    ]
    calls = [node for node in ast.walk(script.tree) if isinstance(node, (ast.Call, ast.Compare, ast.For))]
    for site in script.find("_v = DataLoader(_s, ...)"):
        # One rank evaluates everything; now it evaluates its share.
        if (
            re.search("val|test", script.source(site.bound["_v"]))
            and "rank == 0" in script.text
            and isinstance(site.bound["_s"], ast.Name)
            and "sampler" not in script.source(site.node)
        ):
            code = script.filled("_v = DataLoader(_s, sampler=DistributedSampler(_s), ...)", site)
            yield script.mutant(script.replace(site.node, code), at=calls)
    for site in script.find("_v = DataLoader(Subset(_s, _i), ...)"):
        code = script.filled("_v = DataLoader(_s, sampler=DistributedSampler(_s), ...)", site)
        drops = [script.drop(statement) for statement in reduced]
        yield script.mutant(*drops, script.replace(site.node, code), at=calls)
    if reduced and re.search(r"val\w* = DataLoader\(.*sampler", script.text):
        yield script.mutant(*(script.drop(statement) for statement in reduced), at=calls)
