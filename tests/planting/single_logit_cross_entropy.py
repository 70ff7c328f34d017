"""The last layer has one output for a loss over classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    also = [found.node for found in sites.losses(script, "CrossEntropyLoss")]
    if not also:
        return
    for site in script.find(
        "_n.Linear(_a, 2)",
        "_n.Linear(_a, 3)",
        "_n.Linear(_a, 4)",
        "_n.Linear(_a, 6)",
        "_n.Linear(_a, num_classes)",
        "_n.Linear(_a, 10)",
    ):
        call = site.node
        assert isinstance(call, ast.Call)
        # As somebody would who has two classes and thinks of one score.
        yield script.mutant(script.replace(call.args[1], "1"), also=also)
