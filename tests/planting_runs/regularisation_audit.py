"""Weight decay that outweighs the data."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in run_sites.optimizers(script):
        name = script.source(site.node).split("(")[0].rpartition(".")[2]
        decay = {"AdamW": "300.0", "SGD": "5.0"}.get(name, "10.0")
        made = run_sites.with_option(script, site, "weight_decay", decay)
        rows = range(1, made.text.count("\n") + 1)
        yield Mutant(made.text, frozenset(rows), made.origin)
