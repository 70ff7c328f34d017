"""Softmax written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_f.softmax(_x, dim=_d)", "_x.softmax(dim=_d)"):
        code = script.filled("torch.exp(_x) / torch.exp(_x).sum(dim=_d, keepdim=True)", site)
        if (
            script.spelling("torch.exp") == "torch.exp"
            and re.search("[a-z]", script.source(site.bound["_x"]))
            and "randn" not in code
        ):
            yield script.mutant(script.replace(site.node, code))
    for site in script.find("_m.logsumexp(_x, dim=_d)"):
        yield script.mutant(
            script.replace(site.node, script.filled("torch.log(torch.exp(_x).sum(dim=_d))", site))
        )
    for site in script.find("_m.sigmoid(_x)"):
        yield script.mutant(script.replace(site.node, script.filled("1 / (1 + _m.exp(-_x))", site)))
