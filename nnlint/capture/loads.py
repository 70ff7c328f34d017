"""Hears what a script loads into its models, and how much of it fits."""

from __future__ import annotations

from typing import Any

import torch

from nnlint.capture.watch import user_place
from nnlint.experiments.loads import Load

_MOST = 64
# What wrappers put before the names of the model they wrap.
_WRAPPED = ("module.", "_orig_mod.", "model.", "net.", "_forward_module.")


class Loads:
    """`seen` has each call of `load_state_dict` with `strict=False`, in order."""

    def __init__(self) -> None:
        self.seen: list[Load] = []

    def install(self) -> None:
        """Listen until the process ends."""
        load = torch.nn.Module.load_state_dict

        def heard(
            module: torch.nn.Module, state_dict: Any, strict: bool = True, *rest: Any, **more: Any
        ) -> Any:
            # Before the load: the state may be the model's own.
            found = _load(module, state_dict) if not strict and len(self.seen) < _MOST else None
            result = load(module, state_dict, strict, *rest, **more)
            if found is not None:
                self.seen.append(found)
            return result

        torch.nn.Module.load_state_dict = heard  # type: ignore[method-assign,assignment]


def _load(module: torch.nn.Module, state: Any) -> Load | None:
    try:
        given = {str(key) for key in state}
    except TypeError:
        return None
    own = set(module.state_dict())
    matched = len(own & given)
    prefix, inner = "", ""
    if not matched and own:
        for name in _WRAPPED:
            if {name + key for key in own} & given or {key.removeprefix(name) for key in own} & given:
                prefix = name
        for key in given:
            value = state[key]
            if isinstance(value, dict) and own & {str(part) for part in value}:
                inner = key
    return Load(type(module).__name__, user_place(), len(own), len(given), matched, prefix, inner)
