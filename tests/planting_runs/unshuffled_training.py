"""The samples lie sorted by class, and are given in that order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    loaders = [
        script.replace(site.bound["_s"], "False")
        for site in script.find("DataLoader(..., shuffle=_s)")
        if script.source(site.bound["_s"]) == "True"
    ]
    if not loaders or not re.search(r"cross_entropy|CrossEntropyLoss", script.text):
        return
    for site in script.find("TensorDataset(_x, _y)"):
        if re.fullmatch(r"\w+", script.source(site.bound["_y"])):
            code = script.filled("TensorDataset(_x[_y.argsort()], _y[_y.argsort()])", site)
            yield script.mutant(*loaders, script.replace(site.node, code), at=run_sites.everywhere(script))
