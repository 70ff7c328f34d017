"""Tells a recorder what is no part of the computation: backward passes, optimizer steps, loaders at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import (
    _global_optimizer_pre_hooks,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.data.dataloader import _BaseDataLoaderIter

if TYPE_CHECKING:
    from nnlint.graph.record import Recorder


@contextmanager
def following(recorder: Recorder) -> Iterator[None]:
    """Tell the recorder of backward passes, optimizer steps and loaders, which it does not record."""
    backward, fetch = torch.autograd.backward, _BaseDataLoaderIter.__next__

    def watched(tensors: Any, *args: Any, **kwargs: Any) -> None:
        if not recorder.paused:
            recorder.loss([tensors] if isinstance(tensors, torch.Tensor) else list(tensors))
        with recorder.pause():
            backward(tensors, *args, **kwargs)
        recorder.differentiated()

    def fetching(batches: Any) -> Any:
        with recorder.pause():
            return fetch(batches)

    def stepping(_: Any, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        recorder.paused += 1
        return _with_closure(args, kwargs, recorder)

    def stepped(*_: Any) -> None:
        recorder.paused -= 1

    # Compiled code is not seen, and torch.compile refuses some of it under a mode.
    torch.compiler.set_stance("force_eager")
    handles = [register_optimizer_step_pre_hook(stepping), register_optimizer_step_post_hook(stepped)]
    # Before all others, whose operators are not the script's either.
    _global_optimizer_pre_hooks.move_to_end(handles[0].id, last=False)  # type: ignore[attr-defined]
    torch.autograd.backward = watched
    _BaseDataLoaderIter.__next__ = fetching  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.autograd.backward = backward
        _BaseDataLoaderIter.__next__ = fetch  # type: ignore[method-assign]
        torch.compiler.set_stance("default")
        for handle in handles:
            handle.remove()


def _with_closure(args: Any, kwargs: Any, recorder: Recorder) -> tuple[Any, Any] | None:
    """The arguments of an optimizer's step, its closure being a part of the step that is recorded."""

    def resumed(closure: Any) -> Any:
        def run() -> Any:
            kept, recorder.paused = recorder.paused, 0
            try:
                return closure()
            finally:
                recorder.paused = kept

        return run

    if callable(kwargs.get("closure")):
        return args, {**kwargs, "closure": resumed(kwargs["closure"])}
    # The first argument is the optimizer itself.
    if len(args) > 1 and callable(args[1]):
        return (args[0], resumed(args[1]), *args[2:]), kwargs
    return None
