"""Large negative biases: no ReLU is ever active."""

from __future__ import annotations

from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if "relu" not in script.text.lower():
        return
    for site in run_sites.optimizers(script):
        parameters = script.source(site.bound["_p"])
        if parameters.endswith(".parameters()"):
            model = parameters.removesuffix(".parameters()")
            code = (
                f"for name, bias in {model}.named_parameters():\n"
                "    if name.endswith('bias'):\n"
                "        bias.data.fill_(-1e3)"
            )
            made = script.before(script.statement(site.node), code)
            yield script.mutant(made, at=run_sites.everywhere(script))
