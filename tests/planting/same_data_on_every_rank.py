"""Every rank draws the same samples."""

from __future__ import annotations

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
        yield script.mutant(script.replace(site.node, script.filled("_m.manual_seed(_s)", site)), also=draws)
