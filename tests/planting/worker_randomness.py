"""Each worker draws the same numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for node in script.classes("Dataset"):
        init = next((item for item in node.body if getattr(item, "name", "") == "__init__"), None)
        item = next((one for one in node.body if getattr(one, "name", "") == "__getitem__"), None)
        if not isinstance(init, ast.FunctionDef) or not isinstance(item, ast.FunctionDef):
            continue
        loaders = [found.node for found in script.find("DataLoader(...)", "_m.DataLoader(...)")]
        if not loaders:
            continue
        index = item.args.args[1].arg
        for made, draw in (
            ("import random\nself.rng = random.Random(0)", "random()"),
            ("import numpy as np\nself.rng = np.random.default_rng(0)", "random()"),
        ):
            edits = [
                script.after(init.body[-1], made),
                script.before(
                    item.body[0], f"if self.rng.{draw} < 0.5:\n    {index} = len(self) - 1 - {index}"
                ),
            ]
            workers = [
                script.replace(loader, script.source(loader)[:-1] + ", num_workers=4)")
                for loader in loaders[:1]
            ]
            yield script.mutant(*edits, *workers, also=[node, init, item])
