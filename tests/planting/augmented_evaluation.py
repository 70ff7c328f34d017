"""Evaluation sees random transforms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if not re.search("Random|ColorJitter", script.text):
        return
    for site in script.find("_d(..., transform=_t)"):
        name = script.source(site.bound["_t"])
        target = script.source(script.statement(site.node))
        augmented = [
            script.source(found.node.targets[0])
            for found in script.find("_x = _m.Compose(_l)", "_x = Compose(_l)")
            if isinstance(found.node, ast.Assign)
            and re.search("Random|ColorJitter", script.source(found.node))
        ]
        if augmented and name not in augmented and re.search("val|test|eval", target):
            code = script.source(site.node).replace(f"transform={name}", f"transform={augmented[0]}")
            yield script.mutant(script.replace(site.node, code), also=[script.statement(site.node)])
