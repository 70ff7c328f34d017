"""The branch that is not taken still sends its NaN back."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.sqrt(_x.clamp(...))", "_x.clamp(...).sqrt()"):
        if "math" not in script.source(site.node):
            yield script.mutant(
                script.replace(
                    site.node,
                    script.filled("torch.where(_x > 0, torch.sqrt(_x), torch.zeros_like(_x))", site),
                )
            )
    for site in script.find("_m.log(_x.clamp(...))", "_x.clamp(...).log()", "_m.log10(_x.clamp(...))"):
        yield script.mutant(
            script.replace(
                site.node, script.filled("torch.where(_x > 0, torch.log(_x), torch.zeros_like(_x))", site)
            )
        )
    for site in script.find("_a / _b.clamp(...)"):
        if "norm" in script.source(site.node) and script.spelling("torch.where") == "torch.where":
            yield script.mutant(
                script.replace(
                    site.node, script.filled("torch.where(_b > 0, _a / _b, torch.zeros_like(_a))", site)
                )
            )
    for site in script.find("_f.pairwise_distance(_a, _b)"):
        squared = script.filled("((_a - _b) ** 2).sum(dim=1)", site)
        yield script.mutant(
            script.replace(site.node, f"torch.where({squared} > 0, torch.sqrt({squared}), torch.zeros(1))")
        )
