"""The model is to say the token that it reads."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script

# Targets that a function of the script slices out of a long text are not read as such.
BLIND = True


def plant(script: Script) -> Iterator[Mutant]:
    also = [found.node for found in sites.losses(script, "CrossEntropyLoss", "NLLLoss")]
    for site in script.find("_d[_i + 1 : _i + 1 + _n]"):
        yield script.mutant(script.replace(site.node, script.filled("_d[_i : _i + _n]", site)), also=also)
    for site in script.find("_a, _b = _t[:, :-1], _t[:, 1:]"):
        yield script.mutant(
            script.replace(site.node, script.filled("_a, _b = _t[:, :-1], _t[:, :-1]", site)), also=also
        )
        yield script.mutant(script.replace(site.node, script.filled("_a, _b = _t, _t", site)), also=also)
    for site in script.find("_b = _t[:, 1:]"):
        yield script.mutant(script.replace(site.node, script.filled("_b = _t[:, :-1]", site)), also=also)
