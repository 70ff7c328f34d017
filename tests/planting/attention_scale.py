"""Scores of attention are not divided by the root of their size, or multiplied by it."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_s / math.sqrt(_d)", "_s / _d ** 0.5", "_s * (1.0 / math.sqrt(_d))", "_s * _d ** -0.5"
    ):
        score = script.source(site.bound["_s"])
        if list(script.find("_f.softmax(...)", "_a.softmax(...)", within=script.function(site.node))):
            functions = [
                found.node
                for found in script.find(
                    "_f.softmax(...)", "_a.softmax(...)", within=script.function(site.node)
                )
            ]
            yield script.mutant(script.replace(site.node, score), also=functions)
            yield script.mutant(
                script.replace(
                    site.node,
                    script.filled(
                        "_s * math.sqrt(_d)" if "math.sqrt" in script.text else "_s * _d ** 0.5", site
                    ),
                ),
                also=functions,
            )
            yield script.mutant(script.replace(site.node, script.filled("_s / _d", site)), also=functions)
    softmax = script.spelling("torch.softmax")
    for site in script.find("F.scaled_dot_product_attention(_q, _k, _v, ...)"):
        if softmax:
            yield script.mutant(
                script.replace(
                    site.node, script.filled(f"{softmax}(_q @ _k.transpose(-2, -1), dim=-1) @ _v", site)
                )
            )
            yield script.mutant(
                script.replace(
                    site.node,
                    script.filled(f"{softmax}(_q @ _k.transpose(-2, -1) / _q.size(-1), dim=-1) @ _v", site),
                )
            )
