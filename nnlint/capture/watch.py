"""The hooks: what torch does for the script is told to one listener, which may change over time."""

from __future__ import annotations

import sys
import sysconfig
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _SingleProcessDataLoaderIter

from nnlint.capture.aside import Aside
from nnlint.capture.plan import Place


class Listener:
    """What can be heard. Each method does nothing here."""

    def next_batch(self, batches: Batches) -> Any:
        """Give the loader's next batch to the script; StopIteration at the end."""
        return next(batches.inner)

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """The script itself calls a module; a result takes the place of the arguments."""

    def called(self, root: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """That call has returned."""

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        """Gradients of these are about to be computed."""

    def differentiated(self, outputs: tuple[torch.Tensor, ...], inputs: tuple[torch.Tensor, ...]) -> None:
        """torch.autograd.grad is called: for a penalty, an inner loop, an update by hand."""

    def first_batch(self, batches: Batches, batch: Any) -> Any:
        """The batch at which this listener took over; what it gives goes to the script."""
        return batch

    def ended(self, why: str) -> None:
        """The script is over."""

    def still(self) -> None:
        """The script has waited for something for long; told in a thread of our own."""

    def late(self) -> None:
        """The time of the whole run is nearly over."""

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped."""


class Batches:
    """A loader's iterator, in this process whatever `num_workers` says: workers do not survive a fork."""

    def __init__(self, watch: Watch, loader: DataLoader[Any]) -> None:
        self.watch = watch
        self.loader = loader
        self.given = 0
        self.ended = False
        if watch.aligned:
            torch.manual_seed(0)
        self.begin()

    def begin(self) -> None:
        """Begin the loader's pass, or begin it again."""
        loader = self.loader
        kept = {name: getattr(loader, name) for name in ("num_workers", "timeout", "pin_memory")}
        loader.num_workers, loader.timeout, loader.pin_memory = 0, 0, False
        try:
            self.inner: Iterator[Any] = _SingleProcessDataLoaderIter(loader)
        finally:
            vars(loader).update(kept)

    def __iter__(self) -> Batches:
        return self

    def __len__(self) -> int:
        return len(self.loader)

    def __next__(self) -> Any:
        try:
            batch = self.watch.listener.next_batch(self)
        except StopIteration:
            self.ended = True
            raise
        self.given += 1
        return batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Watch:
    """Installs the hooks once; `listener` says who hears them."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        # Whether each pass of a loader is to begin with the same random state.
        self.aligned = False
        self.optimizers: list[weakref.ref[Optimizer]] = []
        # Where each optimizer and each loader was built.
        self.built: weakref.WeakKeyDictionary[Any, Place | None] = weakref.WeakKeyDictionary()
        self.loaders: list[weakref.ref[DataLoader[Any]]] = []
        self._inside = False
        self._differentiating = False
        self._call: Any = torch.nn.Module.__call__

    def install(self) -> None:
        """Put every hook in place; they stay until the process ends."""
        DataLoader.__iter__ = lambda loader: Batches(self, loader)  # type: ignore[assignment,method-assign,return-value]
        self.hear_calls()
        backward, grad, build = torch.autograd.backward, torch.autograd.grad, Optimizer.__init__
        load, aside = DataLoader.__init__, Aside()

        def watched_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
            # While calls of functions are watched, torch calls this a second time for the same backward.
            if self._differentiating:
                backward(tensors, *args, **kwargs)
                return
            self._differentiating = True
            # A step that has raised has left them down.
            aside.back()
            try:
                self.listener.backward(_tuple(tensors))
                backward(tensors, *args, **kwargs)
            finally:
                self._differentiating = False

        def watched_grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self._differentiating:
                return grad(outputs, inputs, *args, **kwargs)
            self._differentiating = True
            try:
                # Whoever records the script must not hear what we compute.
                with _disable_current_modes():
                    self.listener.differentiated(_tuple(outputs), _tuple(inputs))
                return grad(outputs, inputs, *args, **kwargs)
            finally:
                self._differentiating = False

        def watched_build(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            build(optimizer, *args, **kwargs)
            self.optimizers.append(weakref.ref(optimizer))
            self.built[optimizer] = user_place()

        def watched_load(loader: DataLoader[Any], *args: Any, **kwargs: Any) -> None:
            load(loader, *args, **kwargs)
            self.loaders.append(weakref.ref(loader))
            self.built[loader] = user_place()

        torch.autograd.backward = watched_backward
        torch.autograd.grad = watched_grad
        Optimizer.__init__ = watched_build  # type: ignore[assignment,method-assign]
        DataLoader.__init__ = watched_load  # type: ignore[assignment,method-assign]

        def stepping(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            aside.take(optimizer, args, kwargs)
            self.listener.stepping(optimizer)

        def stepped(optimizer: Optimizer, _: tuple[Any, ...], __: dict[str, Any]) -> None:
            self.listener.stepped(optimizer)
            aside.back()

        register_optimizer_step_pre_hook(stepping)
        register_optimizer_step_post_hook(stepped)

    def hear_calls(self) -> None:
        """Hear the script's calls of modules from now on."""
        self._inside = False
        call = self._call

        def watched_call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            # A criterion is a module too; what has no parameters is not a model.
            if self._inside or next(module.parameters(), None) is None:
                return call(module, *args, **kwargs)
            self._inside = True
            try:
                if (other := self.listener.calling(module, args, kwargs)) is not None:
                    args, kwargs = other
                output = call(module, *args, **kwargs)
                self.listener.called(module, args, kwargs, output)
                return output
            finally:
                self._inside = False

        torch.nn.Module.__call__ = watched_call  # type: ignore[method-assign]

    def ignore_calls(self) -> None:
        """Hear them no more: what is not heard costs nothing."""
        torch.nn.Module.__call__ = self._call  # type: ignore[method-assign]

    def living_loaders(self) -> list[DataLoader[Any]]:
        """The loaders that the script has built and still holds, in order."""
        return [loader for ref in self.loaders if (loader := ref()) is not None]

    def living_optimizers(self) -> list[Optimizer]:
        """The optimizers that the script has built and still holds, in order."""
        return [optimizer for ref in self.optimizers if (optimizer := ref()) is not None]


_OTHERS = tuple(
    {
        str(Path(folder).resolve())
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if (folder := sysconfig.get_paths().get(name))
    }
    | {str(Path(__file__).resolve().parent.parent), str(Path(torch.__file__).resolve().parent)}
)


def user_place() -> Place | None:
    """The innermost line that stands in the user's own files."""
    return place_in(sys._getframe(1))


def place_in(frame: FrameType | None) -> Place | None:
    """The innermost line of the user's own files among a frame and those that called it."""
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith("<") and not is_library(name):
            return Place(name, frame.f_lineno)
        frame = frame.f_back
    return None


@cache
def is_library(filename: str) -> bool:
    """Whether a file is Python's, an installed package's or nnlint's."""
    return filename.startswith(_OTHERS) or "/site-packages/" in filename or "/dist-packages/" in filename


def _tuple(tensors: Any) -> tuple[torch.Tensor, ...]:
    return (tensors,) if isinstance(tensors, torch.Tensor) else tuple(tensors)
