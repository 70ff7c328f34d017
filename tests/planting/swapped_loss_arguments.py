"""The target stands where the prediction belongs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in sites.losses(script):
        prediction, target = site.bound["_p"], site.bound["_t"]
        assert isinstance(prediction, ast.expr)
        assert isinstance(target, ast.expr)
        # Squared errors are symmetric.
        if not re.search(r"mse|l1|MSE|L1|Huber|huber", script.source(site.node)) and not any(
            script.source(site.node).startswith(name)
            for kind in sites.REGRESSION
            for name in sites.holders(script, kind)
        ):
            yield script.mutant(
                script.replace(prediction, script.source(target)),
                script.replace(target, script.source(prediction)),
            )
