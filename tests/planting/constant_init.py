"""All weights of a hidden layer start alike.

One layer of zeros learns where the activation behind it has a slope at zero (tanh, sigmoid); units that are
added to those of another layer are told apart by these.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_n.init._f(_w, ...)", "init._f(_w, ...)"):
        name = str(site.bound["_f"])
        weight = script.source(site.bound["_w"])
        around = "".join(
            script.source(node).split("\n")[0]
            for node in script.around(site.node, ast.If)
            if isinstance(node, ast.stmt)
        )
        if (
            re.match("kaiming|xavier|normal|uniform|orthogonal", name)
            and "weight" in weight
            and not re.search("Norm|Embedding", around)
            # A table of vectors that starts at zero is another matter, and a last layer may.
            and not re.search("embed|encoder|codebook", weight)
        ):
            prefix = script.source(site.node).split("init.")[0] + "init."
            yield script.mutant(script.replace(site.node, f"{prefix}zeros_({weight})"))
            yield script.mutant(script.replace(site.node, f"{prefix}constant_({weight}, 0.1)"))
    for node in script.classes("Module"):
        forward = next((item for item in node.body if getattr(item, "name", "") == "forward"), None)
        layers = list(
            script.find("self._a = _n.Linear(_i, _o, ...)", "self._a = _n.Conv2d(_i, _o, ...)", within=node)
        )
        if forward is None or len(layers) < 2 or "nn.init" in script.source(node):
            continue
        name = str(layers[0].bound["_a"])
        code = script.source(forward)
        if re.search(rf"relu\(self\.{name}\(", code):
            yield script.mutant(
                script.after(
                    layers[0].node,
                    script.filled("nn.init.zeros_(self._a.weight)\nnn.init.zeros_(self._a.bias)", layers[0]),
                )
            )
        if re.search(rf"(relu|tanh|sigmoid)\(self\.{name}\(\w+\)\)", code):
            yield script.mutant(
                script.after(
                    layers[0].node, script.filled("nn.init.constant_(self._a.weight, 0.5)", layers[0])
                )
            )
