"""One half is the threshold of probabilities, zero that of scores."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.sigmoid(_x) > 0.5", "_m.sigmoid(_x) >= 0.5", "_x.sigmoid() > 0.5"):
        yield script.mutant(script.replace(site.node, script.filled("_x > 0.5", site)))
        yield script.mutant(script.replace(site.node, script.source(site.node).replace("0.5", "0")))
    for site in script.find("_x > 0", "_x > 0.0"):
        values = script.source(site.bound["_x"])
        # What a model gives, not labels that are made of numbers, nor a mask of weights.
        scores = re.search(r"logits|scores|output|pred|forward\(|model\(|net\(", values)
        if scores and re.search("BCEWithLogits|with_logits", script.text):
            yield script.mutant(script.replace(site.node, script.filled("_x > 0.5", site)))
