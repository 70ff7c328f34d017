"""The logarithm of a variance is taken for that of a standard deviation, or the noise is uniform."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_m.exp(0.5 * _v)", "(0.5 * _v).exp()", "_m.exp(_v / 2)", "(_v / 2).exp()", "_m.exp(_v * 0.5)"
    ):
        code = script.filled("_v.exp()", site)
        also = [found.node for found in script.find("_a + _b", within=script.function(site.node))]
        yield script.mutant(script.replace(site.node, code), also=also)
    for site in script.find("_m.randn_like(_x)"):
        code = script.source(script.statement(site.node))
        if re.search(r"std|sigma|eps|logvar|log_var|exp", code):
            also = [found.node for found in script.find("_a + _b", within=script.function(site.node))]
            yield script.mutant(script.replace(site.node, script.filled("_m.rand_like(_x)", site)), also=also)
