"""`squeeze()` drops the batch axis too, when a batch has one sample."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_x.squeeze(-1)", "_x.squeeze(1)", "_x.squeeze(dim=1)", "_x.squeeze(dim=-1)"):
        yield script.mutant(script.replace(site.node, script.filled("_x.squeeze()", site)))
