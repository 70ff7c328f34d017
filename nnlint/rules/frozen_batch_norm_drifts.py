"""See rules/frozen-batch-norm-drifts.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.evaluation import covers, inside, touches_mode
from nnlint.static.holdings import part_of, touched
from nnlint.static.layers import contents
from nnlint.static.state import roots
from nnlint.static.torch_api import BATCH_NORMS, CONTAINERS, WRAPPERS
from nnlint.static.updates import owners
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

# Published models that are built with batch norm.
NORMED = re.compile(
    r"^(?:wide_)?(?:resnet|resnext|densenet|mobilenet|mobilenetv[23]|efficientnet|regnet|shufflenet|mnasnet|googlenet|inception|se_?resne[xt])"
    r"|^vgg\d+_bn"
)
_MAKERS = ("torchvision.models.", "timm.create_model", "torch.hub.load")
_DEEPEST = 6
# In standard deviations: statistics that fit the data hardly move.
_MOVED = 0.1


class FrozenBatchNormDrifts(Rule):
    words = ("requires_grad",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.health import HEALTH

        return (HEALTH,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.health import of

        health = of(seen)
        for drift in health.drifts if health else ():
            assert health is not None
            trained = any(weight.root == drift.root and any(weight.updates) for weight in health.weights)
            if trained and drift.moved > _MOVED:
                norms = f"{drift.norms} batch norm layer{'s' if drift.norms > 1 else ''}"
                yield Sighting(
                    health.root_places[drift.root],
                    f"`{drift.part}` is frozen, but it runs in training mode: the running statistics of its "
                    f"{norms} moved by up to {drift.moved:.2g} standard deviations in this run, and its "
                    f"features with them; call `.{drift.part}.eval()` on the model after each `train()`",
                    evidence={"part": drift.part, "moved": drift.moved},
                )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for freeze in script.events_of(EventKind.FREEZE):
            for module in touched(freeze):
                if freeze.call.node is None or _selective(freeze) or not _holds_batch_norm(module):
                    continue
                if not _pretrained(script, module) or _handled(script, module, freeze):
                    continue
                forward = _trained_through(script, module, freeze)
                if forward is None or forward.call.node is None or forward.target is None:
                    continue
                name = script.name_of(module, "the module")
                yield self.problem(
                    freeze.call.node,
                    f"`{name}` is frozen, but in training mode its batch norm still normalises by the batch "
                    f"and goes on moving its running statistics, so the frozen features change; set "
                    f"it, or its batch norm layers, to `eval()` after every `train()`",
                    related=((forward.call.node, "run in training mode here"),),
                )


def _selective(freeze: Event) -> bool:
    """Whether a condition inside the loop over the parameters chooses some of them."""
    loop = freeze.frame.loop()
    over = loop.value if loop is not None else None
    return over is not None and over.kind is not Kind.SEQUENCE and bool(freeze.frame.tests(until=loop))


def _holds_batch_norm(module: Value, depth: int = 0) -> bool:
    """Whether it surely holds batch norm that keeps running statistics."""
    if depth > _DEEPEST:
        return False
    if module.op in BATCH_NORMS:
        return not any(value.is_const(False) for value in module.kwargs.values())
    if module.op.startswith(_MAKERS):
        names = [module.op.rpartition(".")[2], *(str(arg.const) for arg in module.args)]
        plain = ".detection." not in module.op and "norm_layer" not in module.kwargs
        return plain and any(NORMED.match(name.lower()) for name in names)
    if module.op == "submodule" and module.owner is not None:
        return _holds_batch_norm(module.owner, depth + 1)
    if module.op in CONTAINERS or module.op in WRAPPERS:
        parts = contents(module)
    else:
        parts = list(module.attrs.values()) if module.cls is not None else []
    return any(
        part.kind is Kind.MODULE and part is not module and _holds_batch_norm(part, depth + 1)
        for part in parts
    )


def _pretrained(script: ScriptModel, module: Value, depth: int = 0) -> bool:
    """Whether what is frozen has been trained: made so, or loaded."""
    if module.op.startswith(_MAKERS):
        first = 1 if "create_model" in module.op else 0
        given = [*module.args[first:], *module.kwargs.values()]
        return any(not value.is_const(None, False) for value in given)
    if any(covers(event.target, module) for event in script.events_of(EventKind.LOAD_STATE)):
        return True
    parts = contents(module) if module.op in CONTAINERS | WRAPPERS else list(module.attrs.values())
    if module.op == "submodule" and module.owner is not None:
        parts = [module.owner]
    return depth < _DEEPEST and any(
        part.kind is Kind.MODULE and part is not module and _pretrained(script, part, depth + 1)
        for part in parts
    )


def _handled(script: ScriptModel, module: Value, freeze: Event) -> bool:
    """Whether the file sets its mode, thaws it, or has ways that cannot be followed."""
    for owner in owners(module):
        if owner.cls is not None and (owner.cls.method("train") is not None or owner.cls.is_lightning):
            return True
    for event in script.events_of(EventKind.EVAL, EventKind.UNFREEZE, EventKind.OPAQUE):
        target = event.target
        if target is None:
            continue
        if event.kind is EventKind.OPAQUE:
            handled = event.time > freeze.time and touches_mode(event, module)
        elif event.kind is EventKind.UNFREEZE:
            handled = any(part_of(module, part) for part in touched(event))
        else:
            handled = target.op in {"submodule", "module_item"} or inside(target, module)
            handled = handled and not any(root is module and root.owner is None for root in roots(target))
        if handled:
            return True
    return any(
        call.receiver is not None and covers(call.receiver, module) and call.time > freeze.time
        for call in script.calls_of("module.apply")
    )


def _trained_through(script: ScriptModel, module: Value, freeze: Event) -> Event | None:
    """A forward in training mode, in a training step, of the module or of what it is part of."""
    for current in script.training_passes:
        for event in current.of(EventKind.FORWARD):
            if event.mode != "train" or event.time < freeze.time or not covers(event.target, module):
                continue
            if script.evaluations.trains(event):
                return event
    return None
