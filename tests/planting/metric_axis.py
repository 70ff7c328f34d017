"""The best class is sought over the batch.

Where the classes are predicted that labels are held against; scores of sequences, of pixels and of a graph's
nodes stop the script there, as no label has that shape.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script

_OTHER_SHAPES = re.compile(r"nn\.Embedding|edge_index|ConvTranspose")


def plant(script: Script) -> Iterator[Mutant]:
    if _OTHER_SHAPES.search(script.text):
        return
    for site in script.find(
        "_x.argmax(dim=1)",
        "_x.argmax(1)",
        "_x.argmax(dim=-1)",
        "_x.argmax(-1)",
        "_m.max(_x, 1)",
        "_m.argmax(_x, dim=1)",
        "_m.argmax(_x, dim=-1)",
    ):
        code = script.source(site.node)
        function = script.function(site.node)
        compared = [found.node for found in script.find("_a == _b", "_a.eq(_b)", within=function)]
        statement = script.statement(site.node)
        named = [
            part.id
            for part in ast.walk(statement)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        ]
        if any(
            site.node in ast.walk(node)
            or any(re.search(rf"\b{name}\b", script.source(node)) for name in named)
            for node in compared
        ):
            yield script.mutant(script.replace(site.node, re.sub(r"-?1\)$", "0)", code)), also=compared)
