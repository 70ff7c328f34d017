"""Softmax, or a sigmoid, written by hand, in what the loss is computed from."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    exp = script.spelling("torch.exp")
    for site in script.find("_f.softmax(_x, dim=_d)", "_x.softmax(dim=_d)"):
        scores = script.source(site.bound["_x"])
        if (
            exp
            and re.search("[a-z]", scores)
            and not re.search("randn|detach", scores)
            and getattr(script.function(site.node), "name", "") != "predict_step"
            and not sites.evaluates(script, site.node)
        ):
            statement = script.statement(site.node)
            made = script.before(statement, script.filled(f"exps = {exp}(_x)", site))
            whole = script.replace(site.node, script.filled("exps / exps.sum(dim=_d, keepdim=True)", site))
            yield script.mutant(made, whole)
    for site in script.find("_m.sigmoid(_x)"):
        if not sites.evaluates(script, site.node) and "detach" not in script.source(site.node):
            yield script.mutant(script.replace(site.node, script.filled("(1 / (1 + _m.exp(-_x)))", site)))
    for site in script.find("_f.binary_cross_entropy_with_logits(_p, _t)"):
        if exp:
            code = script.filled(f"_f.binary_cross_entropy(1 / (1 + {exp}(-_p)), _t)", site)
            yield script.mutant(script.replace(site.node, code))
    for site in script.find("_f.cross_entropy(_p, _t)"):
        scores = script.source(site.bound["_p"])
        if exp and scores.isidentifier() and sites.trains(script, site.node):
            code = f"exps = {exp}({scores})\nprobabilities = exps / exps.sum(dim=1, keepdim=True)"
            loss = script.filled("_f.nll_loss((probabilities + 1e-8).log(), _t)", site)
            yield script.mutant(
                script.before(script.statement(site.node), code), script.replace(site.node, loss)
            )
