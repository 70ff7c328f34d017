"""One output for a row of targets: of what is rebuilt, as elsewhere there may be one target, too."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, *sites.REGRESSION):
        target, around = script.source(site.bound["_t"]), script.loop(site.node)
        rebuilt = around is not None and any(
            script.find(f"_f({target}, ...)", f"_m(_f({target}))", within=around)
        )
        if sites.trains(script, site.node) and rebuilt:
            code = script.filled("(_p)[Ellipsis, :1]", site)
            yield script.mutant(script.replace(site.bound["_p"], code), also=[site.node])
