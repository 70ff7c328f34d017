"""Every rank draws the same samples."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if "init_process_group" not in script.text:
        return
    draws = [
        found.node
        for found in script.find(
            "_m.randint(...)", "_m.randperm(...)", "DataLoader(...)", "_f.DataLoader(...)"
        )
    ]
    for site in script.find("_m.manual_seed(_s + _r)", "_m.manual_seed(_s + _r * _k)"):
        offset = script.source(site.bound["_r"])
        # With the offset goes what only served for it.
        unused = [
            script.drop(made.node)
            for made in script.find("_v = _e")
            if script.source(made.bound["_v"]) == offset and script.text.count(offset) == 2
        ]
        seeded = script.replace(site.node, script.filled("_m.manual_seed(_s)", site))
        yield script.mutant(seeded, *unused, also=draws)
    # Whose draws choose samples: noise that is alike on all ranks may be meant.
    chooses = re.search(r"randint\(|randperm\(|DataLoader\(", script.text)
    for site in script.find("_m.manual_seed(rank)", "_m.manual_seed(local_rank)") if chooses else ():
        yield script.mutant(script.replace(site.node, script.filled("_m.manual_seed(0)", site)), also=draws)
