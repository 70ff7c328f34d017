"""Nothing is seeded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    seeds = [
        found
        for found in script.find(
            "_m.manual_seed(_s)",
            "set_seed(_s)",
            "seed_everything(_s)",
            "_m.seed_everything(_s)",
            "random.seed(_s)",
            "_n.random.seed(_s)",
        )
        if script.alone(found.node)
    ]
    if not seeds:
        return
    text = script.mutant(*[script.drop(script.statement(found.node)) for found in seeds])
    if not re.search("seed", text.text, re.IGNORECASE):
        yield Mutant(text.text, frozenset(range(1, text.text.count("\n") + 2)), script.origin)
