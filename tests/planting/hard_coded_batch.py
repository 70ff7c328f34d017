"""The batch size of the loader stands in a shape."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    sizes = re.findall(
        r"batch_size=(\d+), shuffle=True|BATCH = (\d+)|shuffle=True, batch_size=(\d+)", script.text
    )
    size = next((one for found in sizes for one in found if one), None)
    if size is None:
        return
    for site in script.find("_x.flatten(1)", "_m.flatten(_x, 1)", "_x.flatten(start_dim=1)"):
        if list(script.around(site.node, ast.ClassDef)):
            yield script.mutant(script.replace(site.node, script.filled(f"_x.reshape({size}, -1)", site)))
    for site in script.find(
        "_x.view(_b, ...)", "_x.reshape(_b, ...)", "_m.zeros(_n, _b, ...)", "_m.zeros(_b, ...)"
    ):
        count = site.bound["_b"]
        if (
            isinstance(count, ast.expr)
            and re.search(r"\.size\(0\)|\.shape\[0\]|^bsz$|^b$|^n$|batch_size", script.source(count))
            and list(script.around(site.node, ast.ClassDef))
        ):
            yield script.mutant(script.replace(count, size))
