"""Watches one training iteration in a forked process and describes it as a FirstStep."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from nnlint.capture import batch as batches_of
from nnlint.capture.criteria import CriterionMode, DropoutMode
from nnlint.capture.plan import (
    FirstStep,
    Group,
    LoaderSettings,
    Loss,
    OptimizerState,
    Parameter,
    Part,
    Place,
    Root,
)
from nnlint.capture.shards import divided, local
from nnlint.capture.watch import Watch, user_place


@dataclass(slots=True)
class _Call:
    """The last call of a root module, kept for evaluating it again."""

    place: Place | None
    training: bool
    args: Any
    kwargs: Any
    parts: tuple[Part, ...]
    output: str = ""


@dataclass(slots=True)
class _Moves:
    """What the steps did to one parameter."""

    steps: int = 0
    changed: bool = False
    norm: float = 0.0
    update_norm: float = 0.0
    grad_norm: float = 0.0
    finite: bool = True
    lr: float = 0.0


@dataclass(slots=True)
class Observation:
    """Collects while the iteration runs; `first_step` sums it up."""

    watch: Watch
    trigger: str
    place: Place | None
    loader: Any = None
    batch: Any = None
    calls: dict[torch.nn.Module, _Call] = field(default_factory=dict)
    # What the steps of the script were made over before this iteration.
    earlier: list[torch.Tensor] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    steps: dict[Optimizer, int] = field(default_factory=dict)
    graded: dict[Optimizer, int] = field(default_factory=dict)
    _moves: dict[torch.Tensor, _Moves] = field(default_factory=dict)
    _before: dict[torch.Tensor, torch.Tensor] = field(default_factory=dict)
    _criteria: CriterionMode = field(default_factory=CriterionMode)
    # What the gradients of parameters were asked of without a backward.
    _asked: list[Loss] = field(default_factory=list)
    # How many losses and criteria there were when an optimizer last stepped.
    _whole: tuple[int, int] = (0, 0)
    _started: float = field(default_factory=time.perf_counter)

    def begin(self) -> None:
        """Watch the losses of torch.nn.functional, too, from here to the end of the process."""
        self._criteria.__enter__()  # type: ignore[no-untyped-call]

    def calling(self, root: torch.nn.Module, args: Any, kwargs: Any) -> None:
        """Remember the call before the model can change its arguments."""
        parts = tuple(
            Part(name, type(module).__name__, module.training)
            for name, module in root.named_modules()
            if module is not root
        )
        self.calls[root] = _Call(
            user_place(), root.training, batches_of.held(args), batches_of.held(kwargs), parts
        )

    def called(self, root: torch.nn.Module, output: Any) -> None:
        """Remember what came out."""
        self.calls[root].output = batches_of.describe(output)

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        """Remember what was differentiated, and where."""
        self.losses += _losses(losses)

    def differentiated(self, outputs: tuple[torch.Tensor, ...]) -> None:
        """The gradients of parameters were asked for; of a loss, if no backward comes before the step."""
        self._asked += _losses(outputs)

    def stepping(self, optimizer: Optimizer) -> None:
        """Keep the parameters as they are before the step."""
        for parameter in _held_by(optimizer):
            self._before[parameter] = local(parameter).detach().clone()
        self._keep_gradients(optimizer)

    def _keep_gradients(self, optimizer: Optimizer) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    moves = self._moves.setdefault(parameter, _Moves())
                    moves.grad_norm, moves.finite = _norm(parameter.grad)
                    moves.lr = float(group["lr"])

    def stepped(self, optimizer: Optimizer) -> None:
        """Compare them with what they have become."""
        self.steps[optimizer] = self.steps.get(optimizer, 0) + 1
        if not self.losses:
            self.losses = self._asked
        self._whole = len(self.losses), len(self._criteria.seen)
        # Asked again, since LBFGS, and Lightning always, compute gradients in a closure within the step.
        if any(parameter not in self._moves for parameter in _held_by(optimizer)):
            self._keep_gradients(optimizer)
        self.graded[optimizer] = sum(parameter.grad is not None for parameter in _held_by(optimizer))
        for parameter in _held_by(optimizer):
            before = self._before.pop(parameter, None)
            moves = self._moves.get(parameter)
            if before is None or moves is None:
                continue
            update = local(parameter).detach() - before
            moves.steps += 1
            moves.changed |= bool((update != 0).any())
            moves.norm, _ = _norm(before)
            moves.update_norm, _ = _norm(update)

    def cut(self) -> None:
        """Forget what came after the last step: it belongs to the next iteration."""
        losses, criteria = self._whole
        del self.losses[losses:], self._criteria.seen[criteria:]

    def first_step(self) -> FirstStep:
        """The iteration as plain values. Evaluates each root once more, so call it last."""
        self._criteria.on = False
        optimizers = self.watch.living_optimizers()
        for optimizer in self.steps:
            if optimizer not in optimizers:
                optimizers.append(optimizer)
        holders: dict[torch.Tensor, tuple[int, ...]] = {}
        for number, optimizer in enumerate(optimizers):
            for parameter in _held_by(optimizer):
                holders[parameter] = (*holders.get(parameter, ()), number)
        seconds = time.perf_counter() - self._started
        return FirstStep(
            trigger=self.trigger,
            place=self.place,
            loader=_settings(self.loader, self.watch) if self.loader is not None else None,
            batch=batches_of.describe(self.batch) if self.batch is not None else "",
            roots=tuple(self._root(root, call, holders) for root, call in self.calls.items()),
            optimizers=tuple(
                OptimizerState(
                    type(optimizer).__name__,
                    self.watch.built.get(optimizer),
                    tuple(
                        Group(float(group["lr"]), len(group["params"])) for group in optimizer.param_groups
                    ),
                    self.steps.get(optimizer, 0),
                    self.graded.get(optimizer, 0),
                )
                for optimizer in optimizers
            ),
            losses=tuple(self.losses),
            criteria=tuple(self._criteria.seen),
            seconds=seconds,
        )

    def _root(self, root: torch.nn.Module, call: _Call, holders: dict[torch.Tensor, tuple[int, ...]]) -> Root:
        parameters = tuple(
            self._parameter(name, parameter, holders.get(parameter, ()))
            for name, parameter in root.named_parameters()
        )
        described = [batches_of.describe(value) for value in call.args]
        described += [f"{name}={batches_of.describe(value)}" for name, value in call.kwargs.items()]
        return Root(
            class_name=type(root).__name__,
            place=call.place,
            training=call.training,
            parameters=parameters,
            arguments=tuple(described),
            output=call.output,
            dropped=_dropped(root, call),
            parts=call.parts,
        )

    def _parameter(self, name: str, parameter: torch.Tensor, optimizers: tuple[int, ...]) -> Parameter:
        moves = self._moves.get(parameter)
        if moves is None:
            moves = _Moves()
            moves.norm, _ = _norm(parameter)
            if parameter.grad is not None:
                moves.grad_norm, moves.finite = _norm(parameter.grad)
        return Parameter(
            name=name,
            shape=tuple(parameter.shape),
            requires_grad=parameter.requires_grad,
            has_grad=parameter.grad is not None or moves.steps > 0,
            grad_norm=moves.grad_norm,
            finite=moves.finite,
            optimizers=optimizers,
            lr=moves.lr,
            steps=moves.steps,
            changed=moves.changed,
            norm=moves.norm,
            update_norm=moves.update_norm,
            earlier=any(parameter is held for held in self.earlier),
        )


def _losses(tensors: tuple[torch.Tensor, ...]) -> list[Loss]:
    place = user_place()
    return [
        Loss(float(loss.detach().float().mean()) if loss.numel() else math.nan, tuple(loss.shape), place)
        for loss in tensors
    ]


def _held_by(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _norm(tensor: torch.Tensor) -> tuple[float, bool]:
    """The Euclidean norm, and whether every element is finite; of a divided tensor, of the part here."""
    tensor = local(tensor)
    values = tensor.detach()
    if values.is_sparse:
        values = values.coalesce().values()
    norm = float(torch.linalg.vector_norm(values.to(torch.float64) if not values.is_complex() else values))
    return norm, math.isfinite(norm)


def _dropped(root: torch.nn.Module, call: _Call) -> tuple[Place, ...]:
    """Where dropout is applied when the root, in eval mode, is called as it was."""
    if divided(root):
        return ()
    root.eval()
    # The wrapper would send its buffers to processes that do not wait for them.
    called = root.module if isinstance(root, DistributedDataParallel) else root
    mode = DropoutMode()
    # Some models compute a loss, or need state, that a second call does not have.
    with contextlib.suppress(Exception), torch.no_grad(), mode:
        called(*batches_of.held(call.args), **batches_of.held(call.kwargs))
    return tuple(dict.fromkeys(mode.places))


def _settings(loader: Any, watch: Watch) -> LoaderSettings:
    # With a batch sampler (Accelerate gives one to every loader) the loader's own fields say nothing.
    by_batch = getattr(loader, "batch_sampler", None)
    samples = 0
    with contextlib.suppress(Exception):  # a sampler of the user's may have no length, or fail
        samples = len(getattr(by_batch, "sampler", loader.sampler))
    return LoaderSettings(
        class_name=type(loader).__name__,
        dataset=type(loader.dataset).__name__,
        batch_size=loader.batch_size or getattr(by_batch, "batch_size", None) or 0,
        sampler=type(getattr(by_batch, "sampler", loader.sampler)).__name__,
        workers=loader.num_workers,
        drop_last=bool(loader.drop_last),
        samples=samples,
        place=watch.built.get(loader),
    )
