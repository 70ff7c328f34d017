"""A layer is built and never called."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for node in script.classes("Module"):
        forward = next((item for item in node.body if getattr(item, "name", "") == "forward"), None)
        if forward is None:
            continue
        for site in script.find("self._a = _n._kind(...)", within=node):
            layer = str(site.bound["_a"])
            calls = list(script.find(f"self.{layer}(_x)", within=forward))
            kind = str(site.bound["_kind"])
            once = len(calls) == 1 and len(re.findall(rf"self\.{layer}\b", script.source(node))) == 2
            if once and re.search("Norm|Dropout|ReLU|^Linear$", kind):
                yield script.mutant(
                    script.replace(calls[0].node, script.source(calls[0].bound["_x"])), also=[site.node]
                )
