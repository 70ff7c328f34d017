"""Checkpoints: where weights come from, and which file of the script's own they were written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.torch_api import RELABEL
from nnlint.static.values import Event, Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

LOADS = frozenset({
    "torch.load", "torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url",
    "safetensors.torch.load_file",
})  # fmt: skip

GAP = "\0"
# Letters and digits that two paths must have in common to be one.
ENOUGH = 4


def from_file(state: Value) -> tuple[Value, str | None] | None:
    """The call that reads the file, and the key under which the state stands in it; None where the state
    comes from elsewhere or was changed on the way."""
    key: str | None = None
    for _ in range(8):
        if state.op in LOADS:
            return state, key
        if state.op == "getitem" and len(state.args) == 2:
            key = str(state.args[1].const) if key is None else "?"
            state = state.args[0]
        elif state.op in RELABEL and state.args:
            state = state.args[0]
        else:
            return None
    return None


def same_file(script: ScriptModel, save: Event, load: Value) -> bool:
    """Whether a checkpoint is read from where it is written to: one value, or the same words."""
    target = save.call.args[1] if len(save.call.args) > 1 else save.call.kwargs.get("f")
    path = load.args[0] if load.args else load.kwargs.get("f")
    if target is None or path is None:
        return False
    if target is path or (target.kind is path.kind is Kind.CONST and target.const == path.const):
        return True
    ours, theirs = _template(target), _template(path)
    if ours == theirs and sum(map(str.isalnum, ours)) >= ENOUGH:
        return True
    if target.node is None or path.node is None:
        return False
    return script.text(target.node, 400) == script.text(path.node, 400)


def _template(path: Value, depth: int = 0) -> str:
    """The constant text of a path, with a gap where something unknown is put in."""
    if path.kind is Kind.CONST and isinstance(path.const, str):
        return path.const
    if path.op == "format" and isinstance(path.node, cst.FormattedString):
        return "".join(
            part.value if isinstance(part, cst.FormattedStringText) else GAP for part in path.node.parts
        )
    if path.op == "remainder" and path.args:
        return _template(path.args[0], depth + 1)
    if path.op == ".format" and path.receiver is not None:
        return _template(path.receiver, depth + 1)
    if path.op in {"os.path.join", "add", "div"} and depth < 4:
        return "/".join(_template(arg, depth + 1) for arg in path.args)
    return GAP
