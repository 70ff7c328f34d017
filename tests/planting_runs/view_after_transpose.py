"""Samples and features change places by a reshape, which leaves every number where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # Of rows of numbers: other inputs have more axes.
    if re.search(r"Conv\dd|Embedding|GRU|LSTM|RNN", script.text):
        return
    for forward, given in script.forwards():
        turned = f"{given} = {given}.reshape({given}.shape[1], {given}.shape[0]).t()"
        yield script.mutant(script.before(forward.body[0], turned))
