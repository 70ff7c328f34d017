"""A recurrent model trains with gradients of any size."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    recurrent = [found.node for found in sites.layers(script, "LSTM", "GRU", "RNN")]
    for site in script.find("_m.clip_grad_norm_(...)"):
        if recurrent and script.alone(site.node):
            also = [found.node for found in script.find("_l.backward()", "_o.step()")]
            yield script.mutant(script.drop(script.statement(site.node)), at=[*recurrent, *also])
