"""The best class is sought over the batch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_x.argmax(dim=1)",
        "_x.argmax(1)",
        "_x.argmax(dim=-1)",
        "_x.argmax(-1)",
        "_m.max(_x, 1)",
        "_m.argmax(_x, dim=1)",
        "_m.argmax(_x, dim=-1)",
    ):
        code = script.source(site.node)
        also = [
            found.node for found in script.find("_a == _b", "_a.eq(_b)", within=script.function(site.node))
        ]
        yield script.mutant(script.replace(site.node, re.sub(r"-?1\)$", "0)", code)), also=also)
