"""The model is to say the token that it reads.

Where a loss is computed from the pair; a figure that is only shown teaches nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    also = [found.node for found in sites.losses(script, "CrossEntropyLoss", "NLLLoss")]
    for pattern, template in (
        ("_d[_i + 1 : _i + 1 + _n]", "_d[_i : _i + _n]"),
        ("_a, _b = _t[:, :-1], _t[:, 1:]", "_a, _b = _t[:, :-1], _t[:, :-1]"),
        ("_a, _b = _t[:, :-1], _t[:, 1:]", "_a, _b = _t, _t"),
        ("_b = _t[:, 1:]", "_b = _t[:, :-1]"),
    ):
        for site in script.find(pattern):
            function = script.function(site.node)
            kinds = {type(node) for node in ast.walk(function)}
            if (ast.Return in kinds and ast.For not in kinds) or any(
                node in ast.walk(function) for node in also
            ):
                yield script.mutant(script.replace(site.node, script.filled(template, site)), also=also)
