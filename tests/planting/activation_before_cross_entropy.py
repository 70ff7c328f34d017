"""Scores are turned into probabilities before a loss that does it again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script, "CrossEntropyLoss"):
        scores = site.bound["_p"]
        if isinstance(scores, ast.expr):
            for template in ("_p.softmax(dim=1)", "torch.relu(_p)"):
                if "torch" not in template or script.spelling("torch.relu") == "torch.relu":
                    yield script.mutant(script.replace(scores, script.filled(template, site)))
