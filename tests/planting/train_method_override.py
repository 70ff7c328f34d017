"""`train` means something else, or the flag is set by hand.

Only of modules that behave differently in the two modes: for others the mode decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script

_BY_MODE = re.compile(r"Dropout|BatchNorm")


def plant(script: Script) -> Iterator[Mutant]:
    differ = {node.name for node in script.classes() if _BY_MODE.search(script.source(node))}
    for site in script.find("model.eval()", "net.eval()", "self.model.eval()", "gcn.eval()"):
        if _BY_MODE.search(script.text) and not sites.in_evaluation(script, script.statement(site.node)):
            code = script.source(site.node).replace(".eval()", ".training = False")
            yield script.mutant(script.replace(site.node, code))
    for node in script.classes("Module"):
        forward = next((item for item in node.body if getattr(item, "name", "") == "forward"), None)
        if forward is not None and "Lit" not in node.name and node.name in differ:
            yield script.mutant(
                script.after(
                    forward,
                    "\ndef train(self, x, y):\n    loss = ((self(x) - y) ** 2).mean()\n"
                    "    loss.backward()\n    return loss.item()",
                )
            )
