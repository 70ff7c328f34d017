"""Ranks see the same order in each epoch, or the sampler is set aside."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_s.set_epoch(_e)"):
        loops = [
            found.node
            for found in script.find("_x = DistributedSampler(...)", "_x = _m.DistributedSampler(...)")
        ]
        yield script.mutant(script.drop(script.statement(site.node)), at=[*loops, script.loop(site.node)])
    for site in script.find("DataLoader(_d, ..., sampler=_s)", "_m.DataLoader(_d, ..., sampler=_s)"):
        yield script.mutant(
            script.replace(site.node, script.filled("DataLoader(_d, sampler=_s, shuffle=True, ...)", site))
        )
        if "Distributed" in script.text:
            yield script.mutant(
                script.replace(site.node, script.filled("DataLoader(_d, shuffle=True, ...)", site)),
                also=[
                    found.node
                    for found in script.find(
                        "_x = DistributedDataParallel(...)",
                        "_x = DDP(...)",
                        "_x = nn.parallel.DistributedDataParallel(...)",
                    )
                ],
            )
