"""Measures gradients, updates and activations, and notices the first NaN or Inf."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnlint.capture.activations import Activations, is_own
from nnlint.capture.frozen import FrozenNorms
from nnlint.capture.meter import Meter
from nnlint.capture.plan import from_json
from nnlint.capture.replay import Replay
from nnlint.capture.shards import local
from nnlint.capture.watch import user_place
from nnlint.capture.weights import Weights, finite
from nnlint.experiments.health import MOST_UNTOUCHED, SCHEDULE, Broken, Health, Untouched
from nnlint.experiments.origin import Origin

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# Seconds that a replay may take.
_PATIENCE = 20.0


class HealthMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._weights = Weights(runner.host.watch)
        self._activations = Activations()
        self._roots: dict[nn.Module, Place | None] = {}
        # The update count at which each root was last measured, and the one that is being measured.
        self._measured: dict[nn.Module, int] = {}
        self._untouched: dict[nn.Module, dict[str, nn.Parameter]] = {}
        self._broken: Broken | None = None
        self._replay: Replay | None = None
        self._frozen: dict[nn.Module, FrozenNorms] = {}

    def begin(self, batches: Batches | None, batch: Any) -> None:
        # Where the script is run anew for each part, nothing is forked.
        if self.runner.host.plan.fork:
            self._replay = Replay(self.runner, "origin", batches, batch)

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        self._activations.end()
        if not torch.is_grad_enabled() or not _watchable(root):
            return
        if root not in self._roots:
            self._roots[root] = user_place()
            self._untouched[root] = dict(root.named_parameters())
            self._frozen[root] = FrozenNorms(root)
        step = len(self.runner.steps)
        if step in SCHEDULE and self._measured.get(root) != step:
            self._measured[root] = step
            self._activations.begin(list(self._roots).index(root), root, step)

    def called(self, root: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._activations.end()

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if self._broken is None and not finite([loss.detach() for loss in losses]):
            self._broken = Broken("loss", len(self.runner.steps), (), user_place())

    def stepping(self, optimizer: torch.optim.Optimizer) -> None:
        self._touch()
        self._weights.stepping(optimizer)

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        self._touch()
        self._weights.stepped(optimizer)
        # The runner has the norm of all gradients at each step; only an odd one is looked into.
        if self._broken is None and not math.isfinite(self.runner.grad_norm):
            self._look_into(optimizer)

    def _look_into(self, optimizer: torch.optim.Optimizer) -> None:
        held = {parameter for group in optimizer.param_groups for parameter in group["params"]}
        bad = [
            parameter
            for parameter in held
            if parameter.grad is not None and not finite([local(parameter.grad).detach()])
        ]
        if bad:
            names = self._names()
            found = tuple(names[parameter][1] for parameter in names if any(parameter is one for one in bad))
            self._broken = Broken("gradient", len(self.runner.steps), found[:8], user_place())

    def _touch(self) -> None:
        """Forget the parameters that have a gradient now."""
        for left in self._untouched.values():
            for name in [name for name, parameter in left.items() if parameter.grad is not None]:
                del left[name]

    def _names(self) -> dict[torch.Tensor, tuple[int, str]]:
        names: dict[torch.Tensor, tuple[int, str]] = {}
        for number, root in enumerate(self._roots):
            for name, parameter in root.named_parameters():
                names.setdefault(parameter, (number, name))
        return names

    def result(self) -> Health:
        self._activations.end()
        names = self._names()
        if self._broken is None and (bad := self._weights.broken()):
            found = tuple(names[one][1] for one in bad if one in names)
            self._broken = Broken("weight", len(self.runner.steps), found[:8], None)
        weights, left_out_weights = self._weights.result(names)
        layers, left_out_layers = self._activations.layers()
        return Health(
            roots=tuple(type(root).__name__ for root in self._roots),
            root_places=tuple(self._roots.values()),
            steps=tuple(step for step in SCHEDULE if step < len(self.runner.steps)),
            weights=weights,
            layers=layers,
            courses=self._activations.courses(),
            steppers=self._weights.steppers(),
            broken=self._broken,
            origin=self._origin(),
            untouched=self._left(names),
            drifts=tuple(
                drift
                for number, frozen in enumerate(self._frozen.values())
                for drift in frozen.drifts(number)
            ),
            left_out_weights=left_out_weights,
            left_out_layers=left_out_layers,
        )

    def _origin(self) -> Origin | None:
        """Where the first NaN or Inf came from, which takes as long again as it took to get there."""
        if self._broken is None or self._broken.what == "weight" or self._replay is None:
            return None
        found = self._replay.upto(self._broken.step, _PATIENCE)
        return None if found is None else from_json(Origin, found)

    def _left(self, names: dict[torch.Tensor, tuple[int, str]]) -> tuple[Untouched, ...]:
        """The trainable parameters that no step has seen a gradient of."""
        held = {
            parameter
            for optimizer in self.runner.host.watch.living_optimizers()
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        found = []
        for number, (root, left) in enumerate(self._untouched.items()):
            for name, parameter in left.items():
                # Of a root that no gradient reaches at all, another optimizer or nobody takes care.
                if not parameter.requires_grad or names.get(parameter, (number, name)) != (number, name):
                    continue
                path = name.rpartition(".")[0]
                owner = root.get_submodule(path)
                reached = self._activations.reached.get(owner)
                found.append(
                    Untouched(
                        root=number,
                        name=name,
                        shape=tuple(parameter.shape),
                        called=reached is not None,
                        without_grad=reached is False,
                        held=parameter in held,
                        own=_made_here(root, path),
                    )
                )
        return tuple(found[:MOST_UNTOUCHED])


def _watchable(root: nn.Module) -> bool:
    """Whether hooks and modes reach into it: what is compiled has its own way of calling."""
    return not isinstance(root, torch.jit.ScriptModule) and not hasattr(root, "_orig_mod")


def _made_here(root: nn.Module, path: str) -> bool:
    """Whether the nearest module around, other than torch's own containers and layers, is the user's."""
    parts = path.split(".") if path else []
    for length in range(len(parts), -1, -1):
        module = root.get_submodule(".".join(parts[:length]))
        if not type(module).__module__.startswith("torch.nn."):
            return is_own(module)
    return True
