"""Which forwards evaluate, which train, and whether a module behaves differently in the two modes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static import torch_api
from nnlint.static.held_back import HeldBack
from nnlint.static.judging import judged
from nnlint.static.layers import contents
from nnlint.static.lineage import reachable
from nnlint.static.splits import EVALUATION, split_of
from nnlint.static.state import roots
from nnlint.static.updates import excludes, owners, trained
from nnlint.static.values import Event, EventKind, Kind, Value
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nnlint.static.loops import DataPass
    from nnlint.static.model import ScriptModel
    from nnlint.static.scan import FunctionInfo

# Wrappers reach the module itself under these attributes.
INNER = frozenset({"module", "model", "_orig_mod", "_fsdp_wrapped_module"})
# Calls that leave the mode of the module they are given alone.
HARMLESS = re.compile(
    r"(?:^|\.)(?:watch|summary|print|len|add_graph|isinstance|hasattr|count_\w+|num_param\w*|get_n_?params|numel|init\w*|weights?_init\w*"
    r"|register\w*|update_parameters|update_bn|save\w*|broadcast\w*|append|\w*[Oo]ptimizer\w*|\w*[Ss]cheduler\w*|Adam\w*|SGD|log\w*|info|get_model_size|unwrap_model"
    r"|DataLoader|debug|profile|ptflops\w*|get_model_complexity_info|clever_format|freeze\w*|load\w*|clip\w*|copy|type|id)$"
)
_HELD_OUT = re.compile(
    r"(?:^|_|\b)(?:val|valid|validat\w*|test|testing|eval|evaluat\w*|dev|holdout)(?:$|_|\b|loader|set|dl|data)",
    re.I,
)
_TRAIN = re.compile(r"(?:^|_|\b)(?:train|training|trn)(?:$|_|\b|loader|set|dl|data|ing)", re.I)
# Layers whose answer depends on the mode through an argument that is off by default.
_RATED = {"LSTM", "GRU", "RNN", "MultiheadAttention"}
_PLAIN_BASES = {"builtins.object", "lightning.LightningModule", "abc.ABC", "typing.Generic"}
_DEEPEST = 8


def differs_by_mode(module: Value, depth: int = 0) -> bool | None:
    """Whether training and evaluation mode give different answers; None where the file does not show it."""
    if depth > _DEEPEST:
        return None
    if module.alts:
        return _any(
            differs_by_mode(part, depth + 1) for part in module.alternatives() if not part.is_const(None)
        )
    op = module.op
    if op in torch_api.BATCH_NORMS:
        return True
    if op in torch_api.DROPOUTS:
        rate = module.args[0] if module.args else module.kwargs.get("p")
        return rate is None or not rate.is_const(0, 0.0)
    if op.startswith("torch.nn.Transformer"):
        return not any(value.is_const(0, 0.0) for value in (*module.args, *module.kwargs.values()))
    if op.startswith("torch.nn.") and op.rpartition(".")[2] in _RATED:
        rate = module.kwargs.get("dropout")
        return (
            False
            if rate is None and len(module.args) < 6
            else not (rate is not None and rate.is_const(0, 0.0))
        )
    if op in torch_api.WRAPPERS and module.args:
        return differs_by_mode(module.args[0], depth + 1)
    if op in torch_api.CONTAINERS:
        parts = [differs_by_mode(item, depth + 1) for item in contents(module) if not item.is_const(None)]
        return _any(parts) if parts else None
    if op.startswith("torch.nn."):
        return False
    if op.startswith(("torchvision.models.", "timm.", "segmentation_models_pytorch.")):
        return True
    if module.cls is not None:
        return _class_differs(module, depth)
    return None


def _class_differs(module: Value, depth: int) -> bool | None:
    cls = module.cls
    assert cls is not None
    for part in cls.lineage():
        for method in part.methods.values():
            if "training" in method.uses.get("self", ()) and method.name not in {"train", "eval"}:
                return True
    found: list[bool | None] = []
    for base in cls.base_names() - _PLAIN_BASES:
        if base in torch_api.BATCH_NORMS or base in torch_api.DROPOUTS:
            return True
        if not base.startswith(("torch.nn.", ".")):
            found.append(None)
    for item in list(module.attrs.values()):
        if item is module or item.kind is Kind.FUNCTION:
            continue
        if item.kind is Kind.MODULE:
            found.append(differs_by_mode(item, depth + 1))
        elif item.kind is Kind.UNKNOWN and item.op not in {"param", "getattr", "training"}:
            found.append(None)  # it could be a module that another file builds
    return _any(found)


def _any(parts: Iterable[bool | None]) -> bool | None:
    found = list(parts)
    return True if True in found else None if None in found else False


@dataclass(eq=False)
class Evaluation:
    """A forward that evaluates. `sure`: the data set's own arguments or the surroundings prove it."""

    forward: Event
    home: DataPass
    sure: bool
    why: str


class Evaluations:
    """Sorts the forwards of a script."""

    def __init__(self, script: ScriptModel) -> None:
        self.script = script

    # -- what trains ----------------------------------------------------------------------------

    @cached_property
    def back_propagated(self) -> set[int]:
        """ids of all values that some backward pass, or the loss of a framework's step, was computed from."""
        ends = [
            e.target
            for e in self.script.events_of(EventKind.BACKWARD, EventKind.GRAD)
            if e.target is not None
        ]
        ends += [
            v for e in self.script.events_of(EventKind.GRAD) for v in (*e.call.args, *e.call.kwargs.values())
        ]
        for fact in self.script.facts:
            if fact.kind == "return" and any(
                info.name in {"training_step", "closure", "compute_loss"}
                for info in fact.frame.functions()[:1]
            ):
                ends.append(fact.value)
        return reachable(ends)

    @cached_property
    def trained(self) -> set[int]:
        """ids of the modules that this file trains."""
        found: set[int] = set()
        for event in self.script.events_of(EventKind.FORWARD):
            if event.target is not None and event.call is not None and self.trains(event):
                found.update(id(owner) for root in roots(event.target) for owner in owners(root))
        for optimizer in self.script.optimizers:
            for module in trained(optimizer):
                found.update(id(owner) for owner in owners(module))
        return found

    def trains(self, forward: Event) -> bool:
        """Whether a forward's output takes part in a backward pass."""
        parts = forward.call.args if forward.call.kind is Kind.SEQUENCE else ()
        values = (forward.call, *forward.call.alternatives(), *parts, *forward.call.attrs.values())
        return any(id(value) in self.back_propagated for value in values)

    def trained_whole(self, module: Value) -> Value | None:
        """The module itself if this file trains it, else the trained module that it is a part of."""
        return next((own for root in roots(module) for own in owners(root) if id(own) in self.trained), None)

    # -- what evaluates -------------------------------------------------------------------------

    @cached_property
    def _held_back(self) -> HeldBack:
        return HeldBack(self.script, filter(self.trains, self.script.events_of(EventKind.FORWARD)))

    @cached_property
    def judged(self) -> set[int]:
        """ids of forwards whose output is compared with a target: a loss or a metric is computed from it."""
        return judged(self.script)

    def __iter__(self) -> Iterator[Evaluation]:
        for home in self.script.passes:
            for event in home.of(EventKind.FORWARD):
                target = event.target
                if target is None or self.trains(event) or _framework(event):
                    continue
                found = self._evidence(event, home)
                if found is not None:
                    yield Evaluation(event, home, *found)

    def _evidence(self, event: Event, home: DataPass) -> tuple[bool, str] | None:
        assert event.target is not None
        whole = self.trained_whole(event.target)
        if whole is None or (whole not in roots(event.target) and self._frozen(event.target)):
            return None
        judged = id(event.call) in self.judged or self._steps_engine(event)
        own = next((part for part in _inputs(event) if part.kind is Kind.LOADER), None)
        loader = own or home.loader
        held_out = loader is not None and evaluation_data(loader)
        # A batch of the validation set, taken in the middle of training.
        if held_out and (not home.trains or loader is not home.loader):
            return True, "the data set it runs over was made for testing"
        if not judged:
            return None
        split = next((part for part in _inputs(event) if _split_off(part)), None)
        if split is not None:
            return True, "its input is the test side of `train_test_split`"
        if self._held_back.gives(event):
            return True, "its input is the part of the data that training leaves out"
        if home.trains and any(excludes(event.frame, step.frame) for step in home.of(EventKind.BACKWARD)):
            return None  # batches that are only looked at, in place of training on them
        if event.grad is False:
            return True, "it runs without gradients, and its output is only compared with the targets"
        if event.mode == "eval" and not home.trains:
            return True, "the model is in evaluation mode, and its output is only compared with the targets"
        names = [
            loader.name if loader is not None else "",
            *(info.name for info in event.frame.functions()[:1] if not _unit_test(info)),
        ]
        if not home.trains and any(speaks_of_evaluation(name) for name in names):
            return True, "nothing is back-propagated, and its output is only compared with the targets"
        return None

    def _frozen(self, part: Value) -> bool:
        return any(covers(event.target, part) for event in self.script.events_of(EventKind.FREEZE))

    def _steps_engine(self, event: Event) -> bool:
        """Whether ignite hands what the function around returns to the metrics of an `Engine`."""
        steps = [call.args[0].function for call in self.script.calls_of("ignite.engine.Engine") if call.args]
        return any(info is step for info in event.frame.functions()[:1] for step in steps)


def _unit_test(info: FunctionInfo) -> bool:
    """Whether `test_…` checks code rather than a model."""
    return info.name.startswith("test") and any(isinstance(node, cst.Assert) for node in descend(info.node))


def _inputs(event: Event) -> Iterator[Value]:
    for argument in (*event.call.args, *event.call.kwargs.values()):
        yield from argument.graph(lambda value: value.kind is Kind.LOADER or value.kind is Kind.MODULE)


def _split_off(value: Value) -> bool:
    return value.op == "item_of" and split_of(value) == (EVALUATION, "train_test_split")


def _framework(event: Event) -> bool:
    """Whether a framework calls this place, and switches the mode itself."""
    if any(info.cls is not None and info.cls.is_lightning for info in event.frame.functions()):
        return True
    assert event.target is not None
    return any(
        owner.cls is not None and owner.cls.is_lightning
        for root in roots(event.target)
        for owner in owners(root)
    )


def speaks_of_evaluation(name: str) -> bool:
    """The weakest hint: `validate`, `val_loader`, `test_epoch`."""
    return _HELD_OUT.search(name) is not None and _TRAIN.search(name) is None


def evaluation_data(loader: Value) -> bool:
    """Whether what builds its data set says that it is the test or validation split."""
    side = split_of(loader)
    return side is not None and side[0] == EVALUATION


# -- modes ------------------------------------------------------------------------------------------


def own_meaning(module: Value) -> bool:
    """Whether `train` or `eval` of its class mean something else."""
    for root in roots(module):
        method = root.cls.method("train") or root.cls.method("eval") if root.cls is not None else None
        if method is not None and not any(name == "super" for name in method.uses):
            return True
    return False


def covers(target: Value | None, module: Value) -> bool:
    """Whether setting the mode of `target` sets that of `module`: it is the module, wraps it or contains
    it."""
    if target is None:
        return False
    ids = {id(root) for root in roots(target)}
    return any(id(owner) in ids for part in (module, *roots(module)) for owner in owners(part))


def inside(target: Value | None, module: Value) -> bool:
    """Whether `target` is a part of `module`."""
    if target is None:
        return False
    ids = {id(root) for root in roots(module)}
    return any(id(owner) in ids for root in roots(target) for owner in owners(root))


def touches_mode(event: Event, module: Value) -> bool:
    """Whether an unseen call that was given the module, or an object that holds it, may change its mode."""
    if event.kind is not EventKind.OPAQUE or event.target is None:
        return False
    name = (
        event.call.receiver.name
        if event.call.op == "call" and event.call.receiver is not None
        else event.call.op
    )
    if HARMLESS.search(name):
        return False
    if covers(event.target, module) or inside(event.target, module):
        return True
    return event.target.kind is Kind.INSTANCE and any(
        covers(item, module) for item in list(event.target.attrs.values()) if item.kind is Kind.MODULE
    )
