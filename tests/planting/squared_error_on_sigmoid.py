"""Classes are learned by squared error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    # A least-squares GAN compares the discriminator's sigmoid with constants on purpose.
    if re.search(r"class \w*(Generator|Discriminator)", script.text):
        return
    for site in sites.losses(script, "BCEWithLogitsLoss"):
        if "_f" in site.bound and script.spelling("torch.nn.functional"):
            yield script.mutant(
                script.replace(site.node, script.filled("_f.mse_loss(_p.sigmoid(), _t)", site))
            )
    for site in script.find("_n.BCEWithLogitsLoss()"):
        for found in sites.losses(script, "BCEWithLogitsLoss"):
            prediction = found.bound["_p"]
            assert isinstance(prediction, ast.expr)
            if prediction not in (None,):
                yield script.mutant(
                    script.replace(site.node, script.filled("_n.MSELoss()", site)),
                    script.replace(prediction, script.filled("_p.sigmoid()", found)),
                )
    for site in script.find("_f.cross_entropy(_p, _t)"):
        onehot = script.filled("_f.mse_loss(_p.softmax(dim=1), _f.one_hot(_t, 10).float())", site)
        yield script.mutant(script.replace(site.node, onehot))
