"""Cross-entropy by hand: the logarithm of probabilities that underflow."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "CrossEntropyLoss"):
        if sites.trains(script, site.node) and "flatten" not in script.source(site.node):
            code = "-(_p).softmax(1).log().gather(1, (_t).unsqueeze(1)).mean()"
            yield script.mutant(script.replace(site.node, script.filled(code, site)))
