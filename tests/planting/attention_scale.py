"""Scores of attention are not divided by the root of their size, or multiplied by it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_s / math.sqrt(_d)", "_s / _d ** 0.5", "_s * (1.0 / math.sqrt(_d))", "_s * _d ** -0.5"
    ):
        score = script.source(site.bound["_s"])
        if re.search("@|matmul|bmm|einsum|score|att", score):
            functions = [
                found.node
                for found in script.find(
                    "_f.softmax(...)", "_a.softmax(...)", within=script.function(site.node)
                )
            ]
            yield script.mutant(script.replace(site.node, score), also=functions)
            yield script.mutant(
                script.replace(site.node, script.filled("_s * math.sqrt(_d)", site))
                if "math" in script.text
                else script.replace(site.node, score),
                also=functions,
            )
            yield script.mutant(script.replace(site.node, script.filled("_s / _d", site)), also=functions)
    for site in script.find(
        "_n.functional.scaled_dot_product_attention(_q, _k, _v, ...)",
        "F.scaled_dot_product_attention(_q, _k, _v, is_causal=True)",
    ):
        torch = script.spelling("torch.softmax")
        if torch:
            yield script.mutant(
                script.replace(
                    site.node, script.filled(f"{torch}(_q @ _k.transpose(-2, -1), dim=-1) @ _v", site)
                )
            )
