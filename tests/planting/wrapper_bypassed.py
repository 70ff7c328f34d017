"""The wrapped module is called past its wrapper."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # Who reduces gradients by hand may call the bare module.
    if "all_reduce" in script.text:
        return
    for site in script.find(
        "_m = DDP(...)", "_m = DistributedDataParallel(...)", "_m = nn.DataParallel(...)"
    ):
        name = script.source(site.bound["_m"])
        for call in script.find(f"{name}(_x)"):
            code = script.filled(f"{name}.module(_x)", call)
            yield script.mutant(script.replace(call.node, code))
        yield script.mutant(script.after(script.statement(site.node), f"{name} = {name}.to('cuda')"))
