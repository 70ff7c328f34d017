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
    options = list(script.find("_p.add_argument(...)"))
    for site in options[-1:]:
        code = script.filled('_p.add_argument("--augment", type=bool, default=True)', site)
        yield script.mutant(script.after(script.statement(site.node), code))
