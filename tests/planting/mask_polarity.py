"""A mask means the opposite."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_s.masked_fill(_m, float('-inf'))", "_s.masked_fill(_m, -1e9)", "_s.masked_fill(_m, -float('inf'))"
    ):
        mask = site.bound["_m"]
        assert isinstance(mask, ast.expr)
        if isinstance(mask, ast.Compare) and isinstance(mask.ops[0], ast.Eq):
            yield script.mutant(script.replace(mask, script.source(mask).replace("==", "!=")))
        elif isinstance(mask, ast.UnaryOp):
            yield script.mutant(script.replace(mask, script.source(mask.operand)))
        if ".max(" in script.source(script.statement(site.node)):
            continue  # among distances, which are above zero, a tiny one is as good
        yield script.mutant(
            script.replace(
                site.node, re.sub(r"float\(.-inf.\)|-1e9|-float\(.inf.\)", "1e-9", script.source(site.node))
            )
        )
    for site in script.find(
        "_m.triu(_m.ones(...), diagonal=1).bool()",
        "_m.triu(_m.ones(...), diagonal=1)",
        "_m.tril(_m.ones(...)).bool()",
        "_m.tril(_m.ones(...))",
    ):
        code = script.source(site.node)
        turned = (
            code.replace("triu", "tril").replace("diagonal=1", "diagonal=0")
            if "triu" in code
            else code.replace("tril", "triu")
        )
        also = [node for node in ast.walk(script.function(site.node)) if isinstance(node, ast.Call)]
        if "dtype=torch.bool" in code or ".bool()" in code:
            yield script.mutant(script.replace(site.node, turned), also=also)
    for site in script.find("_f(..., src_key_padding_mask=_m)", "_f(..., key_padding_mask=_m)"):
        also = [site.node]
        for found in script.find("_p, _q = _a == PAD, _b == PAD", "_p = _a == PAD", "_p = _a.eq(PAD)"):
            yield script.mutant(
                script.replace(
                    found.node, script.source(found.node).replace("==", "!=").replace(".eq(", ".ne(")
                ),
                also=also,
            )
