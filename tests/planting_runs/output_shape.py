"""One output for a row of targets."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, *sites.REGRESSION):
        if sites.trains(script, site.node):
            code = script.filled("_p[:, :1]", site)
            yield script.mutant(script.replace(site.bound["_p"], code), also=[site.node])
