"""The test set chooses the model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script

_HELD_OUT = re.compile(
    r"\b(?:val|valid|eval|dev)(?=_(?:loader|dataloader|dl|ds|set|data|idx|mask|x|y)\b)|(?<=\bn_)val\b"
)


def plant(script: Script) -> Iterator[Mutant]:
    kept = [
        node
        for node in ast.walk(script.tree)
        if isinstance(node, (ast.If, ast.Compare))
        and re.search(r"best|lowest", script.source(node.test if isinstance(node, ast.If) else node))
    ]
    if not kept:
        return
    if re.search(r"\btest_(loader|dl|set|mask)\b", script.text):
        for pair in (
            ("val_loader", "test_loader"),
            ("val_mask", "test_mask"),
            ("valid_loader", "test_loader"),
        ):
            for site in script.find(f"_f(_m, {pair[0]}, ...)", f"_f({pair[0]})"):
                code = re.sub(rf"\b{pair[0]}\b", pair[1], script.source(site.node))
                yield script.mutant(script.replace(site.node, code), also=kept)
    elif "fold" not in script.text:
        # There is no test set but the one that the loader and its data are named after.
        wrong = _HELD_OUT.sub("test", script.text)
        if wrong != script.text:
            rows = frozenset(node.lineno for node in kept)
            calls = frozenset(number for number, line in enumerate(wrong.splitlines(), 1) if "test" in line)
            yield Mutant(wrong, rows | calls, script.origin)
