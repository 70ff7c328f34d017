"""A tensor of a module is neither a parameter nor a buffer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("self.register_buffer(_n, _x)", "self.register_buffer(_n, _x, persistent=False)"):
        name = site.bound["_n"]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            used = [found.node for found in script.find(f"self.{name.value}")]
            code = f"self.{name.value} = {script.source(site.bound['_x'])}"
            yield script.mutant(script.replace(script.statement(site.node), code), also=used)
    for site in script.find("self._a = _n.Parameter(_x)"):
        used = [found.node for found in script.find(f"self.{site.bound['_a']}")]
        yield script.mutant(script.replace(site.node, script.filled("self._a = _x", site)), also=used)
