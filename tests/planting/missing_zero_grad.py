"""`zero_grad` is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_o.zero_grad(...)"):
        # What steps or goes backward elsewhere is reported where it stands.
        backward = [found.node for found in script.find("_l.backward(...)")]
        steps = [found.node for found in script.find("_o.step(...)", "_s.step(_o)")]
        cleared = list(script.find("_o.zero_grad(...)", within=script.function(site.node)))
        if script.alone(site.node) and len(cleared) == 1:
            yield script.mutant(script.drop(script.statement(site.node)), at=[*backward, *steps])
