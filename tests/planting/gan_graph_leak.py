"""The discriminator's loss goes back into the generator."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_fake.detach()"):
        call = script.parent(site.node)
        if (
            re.search(r"discriminat|netD|critic|gan", script.text, re.IGNORECASE)
            and isinstance(call, ast.Call)
            and site.node in call.args
        ) and not re.search("sigmoid|Categorical", script.source(call.func)):
            backs = [found.node for found in script.find("_l.backward(...)", within=script.function(call))]
            code = script.source(site.bound["_fake"])
            yield script.mutant(script.replace(site.node, code), also=[*backs, script.statement(call)])
