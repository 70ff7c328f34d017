"""The discriminator's loss goes back into the generator."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # By hand in Lightning, the generator's own pass then fails, as the first one has freed its graph.
    if "manual_backward" in script.text:
        return
    for site in script.find("_fake.detach()"):
        call = script.parent(site.node)
        if (
            re.search(r"discriminat|netD|critic|gan", script.text, re.IGNORECASE)
            and isinstance(call, ast.Call)
            and site.node in call.args
        ) and re.search("discriminat|netD|critic|gan", script.source(call.func), re.IGNORECASE):
            backs = [found.node for found in script.find("_l.backward(...)", within=script.function(call))]
            code = script.source(site.bound["_fake"])
            yield script.mutant(script.replace(site.node, code), also=[*backs, script.statement(call)])
