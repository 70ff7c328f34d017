"""Axes are regrouped where they should be swapped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_x.transpose(1, 2).reshape(_b, _t, _c)", "_x.transpose(1, 2).contiguous().view(_b, _t, _c)"
    ):
        # Heads are split off by a view that leaves the positions where they are.
        yield script.mutant(script.replace(site.node, script.filled("_x.reshape(_b, _t, _c)", site)))
    for site in script.find(
        "_x.view(_b, _t, _h, _d).transpose(1, 2)", "_x.reshape(_b, _t, _h, _d).transpose(1, 2)"
    ):
        yield script.mutant(script.replace(site.node, script.filled("_x.view(_b, _h, _t, _d)", site)))
    for site in script.find("_x.permute(0, 2, 1)"):
        yield script.mutant(
            script.replace(site.node, script.filled("_x.reshape(_x.size(0), _x.size(2), _x.size(1))", site))
        )
    for site in script.find(
        "_x.permute(0, 2, 3, 1).reshape(-1, _c)", "_x.permute(0, 2, 3, 1).contiguous().view(-1, _c)"
    ):
        yield script.mutant(script.replace(site.node, script.filled("_x.reshape(-1, _c)", site)))
    for site in script.find("_s.transpose(1, 2)"):
        if re.search("cross_entropy|criterion|loss", script.source(script.statement(site.node))):
            code = script.filled("_s.reshape(_s.size(0), _s.size(2), _s.size(1))", site)
            yield script.mutant(script.replace(site.node, code))
