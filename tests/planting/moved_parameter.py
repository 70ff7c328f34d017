"""A parameter is moved before it is kept, which makes a copy that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.Parameter(_x)"):
        yield script.mutant(script.replace(site.node, script.filled("_n.Parameter(_x).to('cuda')", site)))
        yield script.mutant(script.replace(site.node, script.filled("_n.Parameter(_x).cuda()", site)))
