"""All of the model is frozen, not only its body."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_o = _f.AdamW(_m.parameters(), ...)",
        "_o = _f.Adam(_m.parameters(), ...)",
        "_o = _f.SGD(_m.parameters(), ...)",
    ):
        name = script.source(site.bound["_m"])
        if name != "self":
            freeze = f"for p in {name}.parameters():\n    p.requires_grad = False"
            yield script.mutant(script.before(site.node, freeze), also=[site.node])
            yield script.mutant(script.before(site.node, f"{name}.requires_grad_(False)"), also=[site.node])
