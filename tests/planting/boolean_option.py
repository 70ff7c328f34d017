"""Every text is true."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_p.add_argument(..., action='store_true')",
        "_p.add_argument(..., action=argparse.BooleanOptionalAction)",
    ):
        code = re.sub(r"action=[^,)]+", "type=bool, default=False", script.source(site.node))
        if code.count("default=") == 1:
            yield script.mutant(script.replace(site.node, code))
    for site in script.find("_p.add_argument(..., type=float)", "_p.add_argument(..., type=int)"):
        name = script.source(site.node)
        code = re.sub(r",\s*type=(float|int)", "", name)
        # A default that is a text stays one.
        option = re.search(r"--(\w+)", name)
        yield script.mutant(
            script.replace(site.node, code),
            also=[found.node for found in script.find(f"args.{option[1] if option else 'x'}")],
        )
