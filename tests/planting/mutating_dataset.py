"""Reading a sample changes it.

Where it is an array: whole numbers, tuples and single figures would stop the script or stay as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for node in script.classes("Dataset"):
        item = next((one for one in node.body if getattr(one, "name", "") == "__getitem__"), None)
        if not isinstance(item, ast.FunctionDef):
            continue
        index = item.args.args[1].arg
        for site in script.find(f"self._a[{index}]", within=item):
            stored = script.source(site.node)
            if not re.search("label|different|prices|mask|ids|samples", stored):
                yield script.mutant(
                    script.before(item.body[0], f"sample = {stored}\nsample -= sample.mean()")
                )
                yield script.mutant(script.before(item.body[0], f"{stored} += 0.1"))
