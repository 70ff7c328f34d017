"""Tells a recorder what is not an operator: passes back, steps, loaders at work, numbers that leave torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.optimizer import (
    _global_optimizer_pre_hooks,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.data.dataloader import _BaseDataLoaderIter

if TYPE_CHECKING:
    from nnlint.graph.record import Recorder

_TORCH = str(Path(torch.__file__).parent)


@contextmanager
def following(recorder: Recorder) -> Iterator[None]:
    """Put the hooks in place; the recorder itself is a mode to be entered."""

    def backward(call: Any, tensors: Any, *args: Any, **kwargs: Any) -> None:
        recorder.loss([tensors] if isinstance(tensors, torch.Tensor) else list(tensors))
        with recorder.pause():
            call(tensors, *args, **kwargs)
        recorder.differentiated()

    def engine(call: Any, outputs: Any, *args: Any, **kwargs: Any) -> Any:
        # torch.autograd.grad, by whatever name the script has it. Of inputs it gives a penalty, which is a
        # part of the step; of parameters what a loss's backward pass would.
        inputs = args[3] if len(args) > 3 else ()
        if kwargs.get("accumulate_grad", True) or not all(
            isinstance(entry, nn.Parameter) for entry in inputs
        ):
            return call(outputs, *args, **kwargs)
        recorder.loss(list(outputs))
        if args[2]:
            # The gradients themselves are differentiated: an inner step of meta-learning.
            return call(outputs, *args, **kwargs)
        with recorder.pause():
            gradients = call(outputs, *args, **kwargs)
        recorder.differentiated(gradients)
        return gradients

    def paused(call: Any, *args: Any) -> Any:
        with recorder.pause():
            return call(*args)

    def read(call: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        recorder.escaped(tensor)
        with recorder.pause():
            return call(tensor, *args, **kwargs)

    def addressed(call: Any, tensor: torch.Tensor) -> Any:
        # Copying a tensor, torch itself looks whether there is an address.
        if not sys._getframe(2).f_code.co_filename.startswith(_TORCH):
            recorder.touched(tensor)
        return call(tensor)

    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            # Compiled code is not seen, and torch.compile refuses some of it under a mode.
            torch.compiler.set_stance("force_eager")
            stack.callback(torch.compiler.set_stance, "default")
        stack.enter_context(_optimizers(recorder))
        stack.enter_context(recorder.running.heard())
        stack.enter_context(_around(torch.autograd, "backward", backward))
        if hasattr(torch.autograd, "_engine_run_backward"):
            stack.enter_context(_around(torch.autograd, "_engine_run_backward", engine))
        stack.enter_context(_around(_BaseDataLoaderIter, "__next__", paused))
        stack.enter_context(_around(torch.Tensor, "numpy", read))
        stack.enter_context(_around(torch.Tensor, "tolist", read))
        stack.enter_context(_around(torch.Tensor, "data_ptr", addressed))
        yield


@contextmanager
def _around(owner: Any, name: str, how: Callable[..., Any]) -> Iterator[None]:
    """Call `how(the function, …)` in a function's place."""
    call = getattr(owner, name)
    own = name in vars(owner)

    def instead(*args: Any, **kwargs: Any) -> Any:
        return how(call, *args, **kwargs)

    setattr(owner, name, instead)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, call)
        else:
            delattr(owner, name)


@contextmanager
def _optimizers(recorder: Recorder) -> Iterator[None]:
    def stepping(_: Any, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        recorder.paused += 1
        return _with_closure(args, kwargs, recorder)

    def stepped(*_: Any) -> None:
        recorder.paused -= 1

    handles = [register_optimizer_step_pre_hook(stepping), register_optimizer_step_post_hook(stepped)]
    # Before all others, whose operators are not the script's either.
    _global_optimizer_pre_hooks.move_to_end(handles[0].id, last=False)  # type: ignore[attr-defined]
    try:
        yield
    finally:
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
