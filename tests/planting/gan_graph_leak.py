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
            re.search(r"discriminat|netD|critic|wgan|gan", script.text, re.IGNORECASE)
            and isinstance(call, ast.Call)
            and site.node in call.args
        ):
            backs = [found.node for found in script.find("_l.backward(...)", within=script.function(call))]
            yield script.mutant(
                script.replace(site.node, script.source(site.bound["_fake"])),
                also=[*backs, script.statement(call)],
            )
