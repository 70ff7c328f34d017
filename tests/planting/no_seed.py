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
    if not seeds or "__main__" not in script.text or not re.search(r"for \w*epoch", script.text):
        return
    text = script.mutant(*[script.drop(script.statement(found.node)) for found in seeds]).text
    # The data's own generators are left to chance as well.
    text = re.sub(r", (\w+)\s*=\s*seed", "", re.sub(r", generator=\w+|, seed=\d+", "", text))
    text = re.sub(r"\n *\w+ = torch\.Generator\(\)\.manual_seed\(\w+\)", "", text).replace("(n, seed)", "(n)")
    text = re.sub(r"(\((?:\d+)), \d\)", r"\1)", text)
    if not re.search("seed", text, re.IGNORECASE):
        yield Mutant(text, frozenset(range(1, text.count("\n") + 2)), script.origin)
