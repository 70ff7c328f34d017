"""Places that bugs which only a run shows are planted at: calls of a model that is trained, its optimizer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sites
from planted import Mutant, Script, Site

_MODEL = re.compile(r"(self\.)?(model|net|student|policy|autoencoder|generator|q_net)")


def model_calls(script: Script) -> Iterator[Site]:
    """Calls of a model `_m` on an input `_x`, where it is trained."""
    for site in script.find("_m(_x)", "_m(_x, ...)"):
        name = script.source(site.bound["_m"])
        if _is_model(script, name) and sites.trains(script, site.node):
            yield site


def _is_model(script: Script, name: str) -> bool:
    classes = {item.name for item in script.classes("Module")}
    made = (
        script.source(site.bound["_v"]).removesuffix(")").split("(")[0].rpartition(".")[2]
        for site in script.find("_n = _v")
        if script.source(site.bound["_n"]) == name
    )
    return bool(_MODEL.fullmatch(name)) or any(kind in classes or kind == "Sequential" for kind in made)


def float_inputs(script: Script) -> Iterator[Site]:
    """Those of them whose input can be scaled: no embedding takes it."""
    if "Embedding" not in script.text:
        yield from model_calls(script)


def backwards(script: Script) -> Iterator[Site]:
    """`_l.backward()`, each alone on its line."""
    for site in script.find("_l.backward()"):
        if script.alone(site.node) and "scaler" not in script.source(site.node):
            yield site


def optimizers(script: Script) -> Iterator[Site]:
    """Constructions of an optimizer of parameters `_p`."""
    kinds = ("SGD", "Adam", "AdamW", "RMSprop")
    yield from script.find(
        *(f"_m.{kind}(_p, ...)" for kind in kinds), *(f"{kind}(_p, ...)" for kind in kinds)
    )


def with_option(script: Script, site: Site, name: str, value: str) -> Mutant:
    """The call with this keyword argument."""
    call = site.node
    assert isinstance(call, ast.Call)
    for keyword in call.keywords:
        if keyword.arg == name:
            return script.mutant(script.replace(keyword.value, value))
    return script.mutant(script.replace(call, f"{script.source(call)[:-1]}, {name}={value})"))


def last_layers(script: Script) -> Iterator[Site]:
    """`return self._l(_x)` in a forward: the last layer of a model, and what others have made for it."""
    for method in script.methods("forward"):
        if len(list(script.find("self._k(...)", within=method))) < 2:
            continue
        for site in script.find("self._l(_x)", within=method):
            if isinstance(script.parent(site.node), ast.Return):
                yield site


def everywhere(script: Script) -> list[ast.stmt]:
    """All statements, for findings about a model or a run as a whole."""
    return [node for node in ast.walk(script.tree) if isinstance(node, ast.stmt)]
