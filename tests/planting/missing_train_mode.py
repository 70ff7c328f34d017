"""`train()` is forgotten, although each epoch ends in `eval()`.

Not where an evaluation puts back the mode that it has found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    puts_back = re.search(r"= \w+\.training\b", script.text)
    if puts_back or not re.search(r"Dropout|BatchNorm|dropout", script.text):
        return
    for site in script.find("_m.train()"):
        evals = [found.node for found in script.find("_m.eval()")]
        if script.alone(site.node) and evals and len(list(script.find("_m.train()"))) == 1:
            yield script.mutant(script.drop(script.statement(site.node)), at=evals)
