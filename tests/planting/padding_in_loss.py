"""Padded positions count in the loss.

Where there is padding: other classes to be left out are none of the model's, and the loss refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if not re.search("pad_sequence|padding_idx", script.text):
        return
    for site in script.find(
        "_f.CrossEntropyLoss(..., ignore_index=_i)",
        "_f.cross_entropy(_p, _t, ..., ignore_index=_i)",
        "CrossEntropyLoss(..., ignore_index=_i)",
    ):
        code = re.sub(r",?\s*ignore_index=[\w.\-]+", "", script.source(site.node))
        also = [found.node for found in sites.losses(script, "CrossEntropyLoss")]
        yield script.mutant(script.replace(site.node, code), also=also)
