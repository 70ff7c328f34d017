"""The statistics of a frozen body still move."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    frozen = [
        node
        for node in ast.walk(script.tree)
        if isinstance(node, ast.stmt)
        and re.match(r"for|\w+(\.\w+)*\.requires_grad", script.source(node))
        and "requires_grad" in script.source(node)
    ]
    trains = [found.node for found in script.find("_m.train(...)")]
    for site in script.find("_m.eval()", "self._b.eval()", "_m._b.eval()"):
        pretrained = re.search("weights=|pretrained=True|load_state_dict", script.text)
        if (
            frozen
            and pretrained
            and script.alone(site.node)
            and script.loop(site.node)
            and "evaluat" not in getattr(script.function(site.node), "name", "")
        ):
            calls = [found.node for found in script.find("_m(_x)", within=script.loop(site.node))]
            if list(script.find("_l.backward()", within=script.function(site.node))):
                yield script.mutant(script.drop(script.statement(site.node)), at=[*frozen, *trains, *calls])
    yield from _frozen(script)


def _frozen(script: Script) -> Iterator[Mutant]:
    """A body with batch norm is loaded and frozen, and trains on in training mode."""
    torch = script.spelling("torch.load")
    for kind in script.classes("Module"):
        for body in script.find("self._b = nn.Sequential(...)", within=kind):
            holder = getattr(script.parent(body.node), "name", "")
            # A body, not the whole network: with that nothing would be trained.
            if len(list(script.find("self._b = _n._k(...)", within=kind))) < 2:
                continue
            if torch is None or "BatchNorm" not in script.source(body.node) or holder != "__init__":
                continue
            for made in script.find(f"_m = {kind.name}(...)", f"_m = {kind.name}(...).to(_d)"):
                assert isinstance(made.node, ast.Assign)
                model = script.source(made.node.targets[0])
                code = (
                    f"{model}.load_state_dict({torch}('body.pt'), strict=False)\n"
                    f"{model}.{body.bound['_b']}.requires_grad_(False)"
                )
                yield script.mutant(script.after(made.node, code))
