"""Large negative biases: no ReLU is ever active."""

from __future__ import annotations

import re
from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    if not re.search(r"(?<!Leaky)ReLU\(|(?<!leaky_)relu\(", script.text):
        return
    made = list(run_sites.optimizers(script))
    # With several, one of them may be of a model that has no ReLU.
    for site in made if len(made) == 1 else ():
        parameters = script.source(site.bound["_p"])
        if parameters.endswith(".parameters()"):
            model = parameters.removesuffix(".parameters()")
            code = (
                f"for name, bias in {model}.named_parameters():\n"
                "    if name.endswith('bias'):\n"
                "        bias.data.fill_(-1e3)"
            )
            edit = script.before(script.statement(site.node), code)
            yield script.mutant(edit, at=run_sites.everywhere(script))
