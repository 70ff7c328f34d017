"""See rules/silent-partial-load.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.checkpoints import LOADS, from_file, same_file
from nnlint.static.state import roots
from nnlint.static.torch_api import RELABEL, WRAPPERS
from nnlint.static.values import Event, EventKind, Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

# Somebody looks at what fits.
LOOKS = (b"missing_keys", b"unexpected_keys", b"missing,", b"IncompatibleKeys")
PREFIXES = {
    "torch.nn.parallel.DataParallel": "module.",
    "torch.nn.parallel.DistributedDataParallel": "module.",
    "torch.compile": "_orig_mod.",
}


# With a larger share of entries that the model does not have, it is another model's state.
_STRANGERS = 0.9


class SilentPartialLoad(Rule):
    words = ("load_state_dict",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.loads import LOADED

        return (LOADED,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.loads import LOADED, Loaded

        trajectory = seen.trajectories.get(LOADED.name)
        loaded = trajectory.measure(Loaded) if trajectory else None
        for load in loaded.loads if loaded else ():
            if not load.own or not load.given or load.matched >= (1 - _STRANGERS) * load.given:
                continue
            if load.inner:
                why = f'; the weights stand under "{load.inner}": give that item'
            elif load.prefix:
                why = f"; the names differ by `{load.prefix}`: take it off, or load before wrapping"
            else:
                why = "; compare the names, and look at what load_state_dict returns"
            yield Sighting(
                load.place,
                f"of {load.given} entries that are loaded here, {load.matched or 'none'} fitted into "
                f"`{load.class_name}` (it has {load.own}), and strict=False passes over the rest: the "
                f"model starts from random weights{why}",
                severity=Severity.WARNING if load.matched else None,
                evidence={"given": load.given, "model": load.own, "matched": load.matched},
            )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if any(word in script.source.data for word in LOOKS):
            return
        ignored = {id(fact.value) for fact in script.facts if fact.kind == "expression"}
        for load in script.events_of(EventKind.LOAD_STATE):
            call, model = load.call, load.target
            if id(call) not in ignored or call.node is None or model is None or model.kind is not Kind.MODULE:
                continue
            strict = call.kwargs.get("strict") or (call.args[1] if len(call.args) > 1 else None)
            if strict is None or not strict.is_const(False) or not call.args:
                continue
            found = from_file(call.args[0])
            if found is None or _edited(script, call.args[0]):
                continue
            file, key = found
            name = script.name_of(model, "the model")
            mismatch = next(
                (
                    m
                    for save in script.events_of(EventKind.SAVE)
                    if same_file(script, save, file) and (m := _mismatch(save, model, key))
                ),
                "",
            )
            if mismatch:
                yield self.problem(
                    call.node,
                    f"no key of this checkpoint matches: {mismatch}, and `strict=False` says nothing, so "
                    f"`{name}` keeps the weights that it had; load what was saved, with `strict=True`",
                )
            elif _used(script, load, model):
                yield self.problem(
                    call.node,
                    f"`strict=False` accepts any checkpoint, and what `load_state_dict` returns is not "
                    f"looked at: where few keys match, or none, `{name}` goes on with its initial weights; "
                    f"check `missing_keys` and `unexpected_keys`",
                    severity=Severity.INFO,
                )


def _edited(script: ScriptModel, state: Value) -> bool:
    """Whether the state dict is changed or its keys are looked at on the way."""
    seen = [part for part in state.graph() if part.op in LOADS or part.op == "getitem"]
    ids = {id(part) for part in seen}
    if any(id(fact.owner) in ids for fact in script.facts if fact.kind in {"subscript", "del"}):
        return True
    return any(
        (call.receiver is not None and id(call.receiver) in ids)
        or (
            call.op
            not in RELABEL
            | {
                "getitem",
                "module.load_state_dict",
                "optimizer.load_state_dict",
                "scheduler.load_state_dict",
                "scaler.load_state_dict",
                "builtins.print",
            }
            and any(id(arg) in ids for arg in call.args)
        )
        for call in script.calls
        if call.op != ".get"
    ) or any(id(loop.value) in ids for loop in script.loops)


def _mismatch(save: Event, model: Value, key: str | None) -> str:
    """Why what was saved has none of the keys that the model wants; "" where it may have them."""
    saved = save.call.args[0] if save.call.args else save.call.kwargs.get("obj")
    if saved is None:
        return ""
    if saved.kind is Kind.MAPPING and saved.op == "dict" and not saved.args:
        if key is None:
            inside = next((k for k, item in saved.attrs.items() if item.op == "state_dict"), None)
            return f"the file holds a dictionary with the weights under `{inside!r}`" if inside else ""
        saved = saved.attrs.get(key, saved)
    if saved.op != "state_dict" or not saved.args or saved.alts:
        return ""
    source = saved.args[0]
    if not {id(root) for root in roots(source)} & {id(root) for root in roots(model)} and (
        source.cls is None or source.cls is not model.cls
    ):
        return ""
    theirs, ours = _prefix(source), _prefix(model)
    if theirs is None or ours is None or theirs == ours:
        return ""
    if theirs:
        return f"its keys begin with `{theirs}`, because the wrapped model was saved"
    return f"the wrapped model's keys begin with `{ours}`, and those of the file do not"


def _prefix(module: Value) -> str | None:
    """What the wrapper around a module puts before its keys; None where that is not known."""
    if module.alts:
        found = {_prefix(part) for part in module.alternatives() if not part.is_const(None)}
        return found.pop() if len(found) == 1 else None
    if module.op in PREFIXES:
        return PREFIXES[module.op]
    return None if module.op in WRAPPERS or module.op in {"param", "free", "getattr"} else ""


def _used(script: ScriptModel, load: Event, model: Value) -> bool:
    """Whether the file goes on to train or evaluate the model."""
    return any(
        event.time > load.time and event.target is not None and script.same(event.target, model)
        for event in script.events_of(EventKind.FORWARD)
    )
