"""Places that many bugs are planted at: losses, steps, evaluations, layers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import LOOPS, Script, Site


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
    """Whether the innermost function around the node calls `backward`, in no loop that it stands outside."""
    around = [*script.around(node, *LOOPS), None]
    return any(
        script.loop(site.node) in around
        for site in script.find("_x.backward(...)", within=script.function(node))
    )


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


def in_evaluation(script: Script, here: ast.stmt) -> bool:
    """Whether a call of `eval()` changes no figure: the model is in that mode, or its mode is put back."""
    scope = script.function(here)
    model = script.source(here).removesuffix(".eval()")
    around = script.source(scope) if isinstance(scope, ast.FunctionDef) else ""
    if getattr(scope, "name", "") == "train" or ".training" in around:
        return True  # a frozen part, or a mode that is put back
    if ".backward(" in around and f"{model}.train(" not in around:
        return True  # the teacher of what trains here
    block = script.block(here)
    after = "\n".join(script.source(statement) for statement in block[block.index(here) + 1 :])
    # What a model generates is held against nothing: it may be meant to vary.
    if re.search(r"\.generate\(|\.sample\(", after):
        return True
    before = "\n".join(script.source(statement) for statement in block[: block.index(here)])
    if before.rfind(f"{model}.eval()") > before.rfind(f"{model}.train()"):
        return True
    return isinstance(scope, ast.FunctionDef) and _after_another(script, scope)


def _after_another(script: Script, function: ast.FunctionDef) -> bool:
    """Whether another evaluation of the script comes first wherever this one is called: `f(m), g(m)`."""
    others = {
        node.name
        for node in ast.walk(script.tree)
        if isinstance(node, ast.FunctionDef) and node is not function and ".eval()" in script.source(node)
        if ".train(" not in script.source(node)
    }
    calls = [script.source(script.statement(site.node)) for site in script.find(f"{function.name}(...)")]
    return bool(calls) and all(
        any(0 <= call.find(f"{other}(") < call.find(f"{function.name}(") for other in others)
        for call in calls
    )
