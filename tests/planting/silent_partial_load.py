"""Keys that do not match are passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.load_state_dict(_s)"):
        if script.alone(site.node) and not re.search("opt|sched|scaler", script.source(site.node)):
            yield script.mutant(
                script.replace(site.node, script.filled("_m.load_state_dict(_s, strict=False)", site))
            )
