"""A logarithm of something that can be zero."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_f.log_softmax(_x, dim=_d)", "_x.log_softmax(dim=_d)"):
        if "_f" in site.bound:
            softmax = script.filled("_f.softmax(_x, dim=_d)", site)
            yield script.mutant(
                script.replace(
                    site.node,
                    f"torch.log({softmax})"
                    if "torch.log" in script.text or script.spelling("torch.log") == "torch.log"
                    else f"{softmax}.log()",
                )
            )
            yield script.mutant(script.replace(site.node, f"{softmax}.log()"))
    for site in script.find("(_x + _e).log()", "_m.log(_x + _e)", "_m.log10(_x + _e)"):
        extra = site.bound["_e"]
        if isinstance(extra, ast.Constant) and isinstance(extra.value, float) and extra.value < 1e-3:
            yield script.mutant(
                script.replace(site.node, script.source(site.node).replace(f" + {script.source(extra)}", ""))
            )
    for site in script.find("_m.log(_x.clamp(...))", "_m.log10(_x.clamp(...))", "_x.clamp(...).log()"):
        # A number for a log line is no part of what is learned from.
        if "min" in script.source(site.node) and ".item()" not in script.source(script.statement(site.node)):
            yield script.mutant(
                script.replace(site.node, re.sub(r"\.clamp\([^()]*\)", "", script.source(site.node)))
            )
    for site in script.find("_f.binary_cross_entropy_with_logits(_p, _t)"):
        yield script.mutant(
            script.replace(
                site.node,
                script.filled(
                    "-(_t * torch.log(torch.sigmoid(_p))"
                    " + (1 - _t) * torch.log(1 - torch.sigmoid(_p))).mean()",
                    site,
                ),
            )
        )
