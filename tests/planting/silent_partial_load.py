"""Keys that do not match are passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.load_state_dict(_s)", "_m.load_state_dict(torch.load(_p))"):
        state = script.source(site.bound.get("_s") or site.node)
        loaded = "load(" in state or re.search(
            rf"{re.escape(state.split('[')[0])} = torch\.load", script.text
        )
        path = re.search(r"\bload\(([^,()]+)", state)
        if path and re.search(rf"save\(.*, {re.escape(path[1])}\)", script.text):
            continue  # what the same script has written always fits
        if script.alone(site.node) and loaded and not re.search("opt|sched|scaler", script.source(site.node)):
            code = script.source(site.node)[:-1] + ", strict=False)"
            yield script.mutant(script.replace(site.node, code))
