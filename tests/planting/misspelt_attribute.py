"""A flag is set that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_p.requires_grad = _v"):
        for wrong in ("require_grad", "requires_gard", "required_grad"):
            yield script.mutant(script.replace(site.node, script.filled(f"_p.{wrong} = _v", site)))
