"""`squeeze()` drops the batch axis too, when a batch has one sample.

Only where a loader makes the batches: environments and replay memories give what they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if "DataLoader" not in script.text:
        return
    for site in script.find("_x.squeeze(-1)", "_x.squeeze(1)", "_x.squeeze(dim=1)", "_x.squeeze(dim=-1)"):
        yield script.mutant(script.replace(site.node, script.filled("_x.squeeze()", site)))
