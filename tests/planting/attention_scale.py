"""Scores of attention are multiplied by the root of their size, or divided by that of another axis."""

from __future__ import annotations

from collections.abc import Iterator

from planted import FUNCTIONS, Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_s / math.sqrt(_d)", "_s / _d ** 0.5", "_s * (1.0 / math.sqrt(_d))", "_s * _d ** -0.5"
    ):
        functions = [
            found.node
            for found in script.find("_f.softmax(...)", "_a.softmax(...)", within=script.function(site.node))
        ]
        if functions and isinstance(script.function(site.node), FUNCTIONS):
            code = script.filled(
                "_s * math.sqrt(_d)" if "math.sqrt" in script.text else "_s * _d ** 0.5", site
            )
            yield script.mutant(script.replace(site.node, code), also=functions)
    softmax = script.spelling("torch.softmax")
    for site in script.find("F.scaled_dot_product_attention(_q, _k, _v, ...)"):
        if softmax:
            for scale in ("* _q.size(-1) ** 0.5", "/ _q.size(-2) ** 0.5"):
                code = f"{softmax}(_q @ _k.transpose(-2, -1) {scale}, dim=-1) @ _v"
                yield script.mutant(script.replace(site.node, script.filled(code, site)))
