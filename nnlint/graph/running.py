"""Which module is running: a stack kept around every call of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nnlint.capture.plan import Place
from nnlint.capture.watch import user_place
from nnlint.graph.nodes import Root


@dataclass(slots=True)
class Frame:
    """A running module: `root` is its number and `path` its place there; outside of any, -1 and its class."""

    module: nn.Module
    root: int
    path: str
    arguments: tuple[Any, Any]


class Running:
    """The stack of running modules. What has parameters and is called outside of others is a root.

    `left` hears of each module that has returned, with its frame still on the stack; `outermost` says
    whether it is a root's own call.
    """

    def __init__(self, left: Callable[[Frame, Any, bool], None]) -> None:
        self.stack: list[Frame] = []
        self.roots: list[Root] = []
        self.modules: list[nn.Module] = []
        # By identity of the module, which `modules` keeps alive.
        self._paths: dict[int, tuple[int, str]] = {}
        self._left = left

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear every call of a module.

        Not by torch's global hooks: torch.compile warns where there are any, and a script may be strict.
        """
        call = nn.Module.__call__

        def heard_call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            self.enter(module, args, kwargs)
            try:
                output = call(module, *args, **kwargs)
                self.returned(output)
            finally:
                self.stack.pop()
            return output

        nn.Module.__call__ = heard_call  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = call  # type: ignore[method-assign]

    def root(self, module: nn.Module, place: Place | None = None) -> int:
        """The number of a module that the script calls itself."""
        if id(module) not in self._paths:
            number = len(self.roots)
            self.roots.append(Root(type(module).__name__, place, tuple(_repeated(module))))
            self.modules.append(module)
            for path, inner in module.named_modules():
                self._paths.setdefault(id(inner), (number, path))
        return self._paths[id(module)][0]

    @property
    def innermost(self) -> tuple[int, str, bool]:
        """Root and path of the module that is running, and whether it trains."""
        if not self.stack:
            return -1, "", torch.is_grad_enabled()
        frame = self.stack[-1]
        return frame.root, frame.path, frame.module.training

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """A module is called; whoever says so pops it from the stack when it is left."""
        if all(outer.root < 0 for outer in self.stack) and next(module.parameters(), None) is not None:
            self.root(module, user_place())
        root, path = self._paths.get(id(module), (-1, type(module).__name__))
        self.stack.append(Frame(module, root, path, (args, kwargs)))

    def returned(self, output: Any) -> None:
        """The innermost module returns."""
        frame = self.stack[-1]
        self._left(frame, output, frame.root >= 0 and all(outer.root < 0 for outer in self.stack[:-1]))


def _repeated(root: nn.Module) -> Iterator[str]:
    """The lists and sequences of several entries that are one module with weights."""
    for path, module in root.named_modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module) > 1:
            same = all(entry is module[0] for entry in module)
            if same and next(module.parameters(), None) is not None:
                yield path


def found(value: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in what a module takes or returns, with the way there: "", "[0]", ".logits"."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            # The outputs of Transformers are mappings, and are read as attributes.
            yield from found(item, f"{path}.{key}" if isinstance(key, str) else f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", None)
        for number, item in enumerate(value):
            yield from found(item, f"{path}.{names[number]}" if names else f"{path}[{number}]")
