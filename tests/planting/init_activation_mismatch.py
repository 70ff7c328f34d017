"""Weights are initialised for another activation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.init.kaiming_normal_(_w, ...)", "_n.init.kaiming_uniform_(_w, ...)"):
        if "tanh" not in script.text and "Tanh" not in script.text:
            yield script.mutant(script.replace(site.node, script.filled("_n.init.xavier_uniform_(_w)", site)))
    for site in script.find("_n.init.xavier_normal_(_w, ...)", "_n.init.xavier_uniform_(_w, ...)"):
        if "tanh" in script.text and "relu" not in script.text.lower():
            yield script.mutant(script.replace(site.node, script.filled("_n.init.kaiming_normal_(_w)", site)))
    for node in script.classes("Module"):
        if "relu" in script.source(node).lower() and "init." not in script.source(node):
            for site in script.find("self._a = _n.Linear(_i, _o)", within=node):
                if re.search(rf"relu\(self\.{site.bound['_a']}\(", script.source(node)):
                    yield script.mutant(
                        script.after(site.node, script.filled("_n.init.xavier_normal_(self._a.weight)", site))
                    )
