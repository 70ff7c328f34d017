"""The best class is sought along the samples.

Of as many samples as there are classes: of any other number the comparison fails, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "CrossEntropyLoss"):
        here = script.statement(site.node)
        if sites.trains(script, site.node) and script.loop(here) is not None:
            counted = script.filled("hits = ((_p).argmax(0) == (_t)[: (_p).shape[1]]).sum()", site)
            yield script.mutant(script.before(here, counted))
