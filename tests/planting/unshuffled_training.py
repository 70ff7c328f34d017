"""The training loader keeps the order of the data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # The order of random samples means nothing.
    if "rand" in script.text:
        return
    for site in script.find("DataLoader(..., shuffle=True)", "_m.DataLoader(..., shuffle=True)"):
        code = script.source(site.node)
        yield script.mutant(script.replace(site.node, re.sub(r"shuffle=True", "shuffle=False", code)))
        yield script.mutant(script.replace(site.node, re.sub(r",\s*shuffle=True", "", code)))
