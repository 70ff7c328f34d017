"""A probability to keep, where one to drop is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.layers(script, "Dropout", "Dropout2d"):
        yield script.mutant(script.replace(site.node, re.sub(r"\(.*\)", "(0.9)", script.source(site.node))))
