"""The held-out loader is made of the training set."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_v = DataLoader(_d, ...)", "_v = _m.DataLoader(_d, ...)", "_v = _m.data.DataLoader(_d, ...)"
    ):
        name = script.source(site.bound["_v"])
        data = script.source(site.bound["_d"])
        others = [
            script.source(found.bound["_d"])
            for found in script.find("_v = DataLoader(_d, ...)", "_v = _m.DataLoader(_d, ...)")
            if re.search("train", script.source(found.bound["_v"]))
            and re.match(r"^[\w.]+$", script.source(found.bound["_d"]))
        ]
        if re.search("val|test|dev", name) and others and re.match(r"^[\w.]+$", data):
            node = site.bound["_d"]
            assert isinstance(node, ast.expr)
            yield script.mutant(script.replace(node, others[0]), also=[site.node])
    for site in script.find("_d(..., train=False)"):
        yield script.mutant(
            script.replace(site.node, script.source(site.node).replace("train=False", "train=True")),
            also=[found.node for found in script.find("DataLoader(...)", "_m.DataLoader(...)")],
        )
