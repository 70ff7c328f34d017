"""Places that many bugs are planted at: losses, steps, evaluations, layers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Script, Site


def losses(script: Script, *kinds: str) -> Iterator[Site]:
    """Calls of a loss on a prediction `_p` and a target `_t`: `F.cross_entropy`, or a `CrossEntropyLoss`.

    A kind is the name of the class; without any, all losses of torch.
    """
    known = kinds or (
        "CrossEntropyLoss",
        "NLLLoss",
        "MSELoss",
        "L1Loss",
        "SmoothL1Loss",
        "HuberLoss",
        *BINARY,
    )
    functions = [_function(kind) for kind in known]
    patterns = [f"_f.{name}(_p, _t, ...)" for name in functions] + [
        f"{name}(_p, _t, ...)" for name in functions
    ]
    for kind in known:
        for name in holders(script, kind):
            patterns += [f"{name}(_p, _t)"]
    yield from script.find(*dict.fromkeys(patterns))


BINARY = ("BCELoss", "BCEWithLogitsLoss")
REGRESSION = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")


def _function(kind: str) -> str:
    special = {
        "BCELoss": "binary_cross_entropy",
        "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
        "SmoothL1Loss": "smooth_l1_loss",
        "NLLLoss": "nll_loss",
        "MSELoss": "mse_loss",
        "KLDivLoss": "kl_div",
    }
    return special.get(kind) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.removesuffix("Loss")).lower() + (
        "" if kind == "CrossEntropyLoss" else "_loss"
    )


def holders(script: Script, kind: str) -> Iterator[str]:
    """How the script calls what such a class made: `criterion`, `self.loss_fn`."""
    names = []
    for pattern in (f"_x = _m.{kind}(...)", f"_x = {kind}(...)", f"_x = _m.{kind}(...).to(_d)"):
        for site in script.find(pattern):
            target = site.bound["_x"]
            assert isinstance(target, ast.expr)
            if isinstance(target, (ast.Name, ast.Attribute)):
                names.append(script.source(target))
    yield from dict.fromkeys(names)


def trains(script: Script, node: ast.AST) -> bool:
    """Whether the innermost function around the node calls `backward`."""
    return any(True for _ in script.find("_x.backward(...)", within=script.function(node)))


def evaluates(script: Script, node: ast.AST) -> bool:
    """Whether the node stands where gradients are off, or in a function that calls `eval()`."""
    function = script.function(node)
    for scope in script.around(node, ast.With):
        assert isinstance(scope, ast.With)
        if any("no_grad" in script.source(item.context_expr) for item in scope.items):
            return True
    decorators = getattr(function, "decorator_list", [])
    return any("no_grad" in script.source(item) or "inference" in script.source(item) for item in decorators)


def batch_loop(script: Script, node: ast.AST) -> ast.For | None:
    """The loop over batches that the node stands in."""
    loop = script.loop(node)
    return loop if isinstance(loop, ast.For) else None


def layers(script: Script, *kinds: str) -> Iterator[Site]:
    """Constructions of layers of such a class, as `nn.Linear(...)` or `Linear(...)`."""
    patterns = [f"_m.{kind}(...)" for kind in kinds] + [f"{kind}(...)" for kind in kinds]
    yield from script.find(*patterns)
