"""The loader's batch size stands in a shape, and does not divide the number of samples."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script

# A prime number, which divides hardly any data set.
_SIZE = 29


def plant(script: Script) -> Iterator[Mutant]:
    loaders = [
        site
        for site in script.find("DataLoader(..., batch_size=_b, shuffle=True)")
        if isinstance(site.bound["_b"], ast.Constant)
    ]
    if len(loaders) != 1 or re.search("drop_last|sampler", script.text):
        return
    size = script.replace(loaders[0].bound["_b"], str(_SIZE))
    for site in script.find("_x.flatten(1)", "_m.flatten(_x, 1)"):
        if list(script.around(site.node, ast.ClassDef)):
            code = script.filled(f"_x.reshape({_SIZE}, -1)", site)
            yield script.mutant(size, script.replace(site.node, code))
    for forward, given in script.forwards():
        held = f"{given} = {given}.reshape({_SIZE}, *{given}.shape[1:])"
        yield script.mutant(size, script.before(forward.body[0], held))
