"""An optimizer is made of the other network's parameters, or the other one's gradients are cleared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from planted import Mutant, Script, Site

# Gradients that pile up, and a network that nobody holds, are found as what they are.
INSTEAD = ("missing-zero-grad", "optimizer-misses-parameters")


def plant(script: Script) -> Iterator[Mutant]:
    makers = list(
        script.find(
            "_o = _f.AdamW(_m.parameters(), ...)",
            "_o = _f.Adam(_m.parameters(), ...)",
            "_o = _f.RMSprop(_m.parameters(), ...)",
            "_o = AdamW(_m.parameters(), ...)",
            "_o = Adam(_m.parameters(), ...)",
        )
    )
    groups: dict[object, list[Site]] = {}
    for found in makers:
        groups.setdefault(script.function(found.node), []).append(found)
    steps = [
        found.node
        for found in script.find(
            "_o.step()", "_l.backward(...)", "_m.zero_grad(...)", "_m = _c().to(_d)", "_a, _b = _c(), _d()"
        )
    ]
    for group in groups.values():
        for one, other in itertools.permutations(group, 2):
            name, wrong = (script.source(item.bound["_m"]) for item in (one, other))
            if name != wrong:
                code = script.source(one.node).replace(f"{name}.parameters()", f"{wrong}.parameters()", 1)
                yield script.mutant(script.replace(one.node, code), also=steps)
                for site in script.find(f"{name}.zero_grad(...)"):
                    yield script.mutant(script.replace(site.node, f"{wrong}.zero_grad()"), also=steps)
                clear, instead = (script.source(item.bound["_o"]) for item in (one, other))
                for site in script.find(f"{clear}.zero_grad(...)"):
                    yield script.mutant(script.replace(site.node, f"{instead}.zero_grad()"), also=steps)
                for site in script.find(f"{clear}.step()"):
                    yield script.mutant(script.replace(site.node, f"{instead}.step()"), also=steps)
