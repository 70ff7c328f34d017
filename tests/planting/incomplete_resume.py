"""A resume forgets the optimizer, the scheduler or the epoch."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_o.load_state_dict(_c['optimizer'])",
        "_o.load_state_dict(_c['scheduler'])",
        "_o.load_state_dict(_c['optimizer_state_dict'])",
        "_o.load_state_dict(_c['opt'])",
    ):
        loads = [found.node for found in script.find("_m.load_state_dict(...)", "_t.load(...)")]
        if script.alone(site.node):
            yield script.mutant(script.drop(script.statement(site.node)), at=loads)
