"""Notes the mode of each model in the first evaluation, and when training goes on after it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnlint.capture import batch as batches_of
from nnlint.capture.by_mode import acting, difference, modes_of
from nnlint.capture.compared import ComparedMode
from nnlint.capture.meter import Meter
from nnlint.capture.watch import user_place
from nnlint.experiments.modes import Evaluated, Modes, Resumed

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.runner import Runner
    from nnlint.capture.watch import Batches

# Below this, an output is the same in both modes.
_SAME = 1e-3
# So many updates after an evaluation show in which mode training goes on.
_RESUMED = 2


@dataclass(slots=True)
class _Trained:
    """A model in the call that led to the gradients of now."""

    place: Place | None
    modes: dict[nn.Module, bool]
    # What it was given, by storage, to know it again; kept, so that no other takes its place in memory.
    stores: dict[int, torch.Tensor]
    resumed: Resumed | None = None


@dataclass(slots=True)
class _Pass:
    """An evaluation that is going on: through a loader that is not trained on, or without one."""

    batches: weakref.ref[Batches] | None
    loader: Place | None
    over: bool = False
    # What each model showed in it, and the stores of what it was given for the batch of now.
    shown: dict[nn.Module, Evaluated] = field(default_factory=dict)
    stores: dict[nn.Module, dict[int, torch.Tensor]] = field(default_factory=dict)
    again: set[nn.Module] = field(default_factory=set)


class ModesMeter(Meter):
    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._mode = ComparedMode()
        self._training_loaders: set[int] = set()
        self._gave: list[Batches] = []
        self._pass: _Pass | None = None
        # Models that were called with gradients on and not yet differentiated; then those that were.
        self._pending: dict[nn.Module, _Trained] = {}
        self._first: dict[nn.Module, _Trained] = {}
        self._stepped: set[int] = set()
        self._evaluated: dict[nn.Module, Evaluated] = {}
        self._resumed: dict[nn.Module, Resumed] = {}
        # Whether an evaluation is over, and how many updates there were since.
        self._seen = False
        self._updates = 0
        # Whether training has gone on for long enough.
        self._over = False
        # By module: where it was last put into evaluation mode, and at which update into training mode.
        self._off: weakref.WeakKeyDictionary[nn.Module, Place | None] = weakref.WeakKeyDictionary()
        self._on: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()
        self._numbers: dict[nn.Module, int] = {}
        # By model: where it was called without gradients since it was put into evaluation mode.
        self._since: dict[nn.Module, Place | None] = {}
        self._switching = False

    def begin(self, batches: Batches | None, batch: Any) -> None:
        if batches is not None:
            self._training_loaders.add(id(batches.loader))
        self._hear_switches()
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def _hear_switches(self) -> None:
        switch: Callable[..., Any] = nn.Module.train

        def heard(module: nn.Module, mode: bool = True) -> Any:
            if self._switching:
                return switch(module, mode)
            self._switching = True
            try:
                place = user_place()
                for part in module.modules():
                    if mode:
                        self._on[part] = len(self.runner.steps)
                        self._off.pop(part, None)
                    elif part.training or part not in self._off:
                        self._off[part] = place
                        self._since.pop(part, None)
                return switch(module, mode)
            finally:
                self._switching = False

        nn.Module.train = heard  # type: ignore[method-assign,assignment]

    def given(self, batches: Batches, batch: Any) -> None:
        if self._over:
            return
        if id(batches.loader) in self._training_loaders:
            self._close()
            self._gave = [batches]
            return
        self._gave.append(batches)
        now = self._pass
        if now is None or now.batches is None or now.batches() is not batches:
            self._close()
            now = self._pass = _Pass(weakref.ref(batches), self.runner.host.watch.built.get(batches.loader))
            self._mode.on = True
        now.stores.clear()
        self._mode.given(batch)

    def exhausted(self, batches: Batches) -> None:
        # What the pass has collected may be compared now.
        if self._pass is not None and self._pass.batches is not None and self._pass.batches() is batches:
            self._pass.over = True

    def calling(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        if self._over:
            return
        if torch.is_grad_enabled() and (self._pass is None or self._pass.over or self._pass.batches is None):
            self._trains(root, args, kwargs)
        else:
            self._evaluates(root, args, kwargs)
        self._mode.within = self._number(root)

    def called(self, root: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._mode.within = 0
        if self._mode.on:
            self._mode.called(self._number(root), (args, kwargs), output)

    def _number(self, root: nn.Module) -> int:
        return self._numbers.setdefault(root, -1 - len(self._numbers))

    def _trains(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        trained = _Trained(user_place(), modes_of(root), _stores(args, kwargs))
        first = self._first.get(root)
        if first is not None and root in self._since and root not in self._resumed:
            off = [module for module, training in trained.modes.items() if not training]
            layers = acting(root, {module: first.modes.get(module, False) for module in off})
            far = None
            if first.modes.get(root) and not root.training:
                far = difference(root, args, kwargs, first.modes)
            if far is not None and far > _SAME and not acting(root):
                trained.resumed = Resumed(
                    type(root).__name__, trained.place, self._off.get(root), self._since[root], far, layers
                )
        self._pending[root] = trained

    def _evaluates(self, root: nn.Module, args: Any, kwargs: Any) -> None:
        place = user_place()
        if root in self._off:
            self._since.setdefault(root, place)
        first = self._first.get(root)
        stores = _stores(args, kwargs)
        now = self._pass
        if now is None or now.over:
            self._close()
            # Without a loader; with what it is trained with in this turn, it is no evaluation.
            if first is None or stores.keys() & self._trained_with():
                return
            now = self._pass = _Pass(None, None)
            self._mode.on = True
        if now.stores.setdefault(root, {}).keys() & stores:
            now.again.add(root)
        now.stores[root].update(stores)
        if root in now.shown or first is None or not root.training:
            return
        # Who switches it on after the last update means it: Monte Carlo dropout, statistics taken anew.
        if self._on.get(root, -1) >= len(self.runner.steps) > 0:
            return
        far = difference(root, args, kwargs, dict.fromkeys(root.modules(), False))
        if far is not None and far > _SAME:
            looped = now.batches is not None
            now.shown[root] = Evaluated(type(root).__name__, place, now.loader, looped, far, acting(root))

    def _trained_with(self) -> set[int]:
        return {store for entry in (*self._pending.values(), *self._first.values()) for store in entry.stores}

    def backward(self, losses: tuple[torch.Tensor, ...]) -> None:
        if self._over:
            return
        if self._pass is not None and not self._pass.over and self._pass.batches is not None:
            # Its batches are trained on, too.
            self._training_loaders.update(id(batches.loader) for batches in self._gave)
            self._pass = None
        self._close()
        for root, trained in self._pending.items():
            first = self._first.setdefault(root, trained)
            first.stores = trained.stores
            if trained.resumed is not None:
                first.resumed = trained.resumed
        self._pending.clear()

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        self._stepped |= held
        for root, trained in self._first.items():
            if trained.resumed is not None and held & set(map(id, root.parameters())):
                self._resumed.setdefault(root, trained.resumed)
        if self._seen:
            self._updates += 1
            if self._updates >= _RESUMED:
                self._over = True
                self._close()
                self.runner.enough(self, "training goes on")

    def _close(self) -> None:
        """The evaluation is over: training goes on, or another begins."""
        now, self._pass = self._pass, None
        if now is not None:
            looped = now.batches is not None
            compared = self._mode.compared | (set() if looped else self._mode.measured)
            self._seen |= looped or bool(compared)
            for root, shown in now.shown.items():
                trained = self._stepped & set(map(id, root.parameters()))
                if self._number(root) in compared and trained and root not in now.again:
                    self._evaluated.setdefault(root, shown)
        self._mode.clear()

    def result(self) -> Modes:
        self._close()
        return Modes(tuple(self._evaluated.values()), tuple(self._resumed.values()))


def _stores(args: Any, kwargs: Any) -> dict[int, torch.Tensor]:
    return {tensor.untyped_storage().data_ptr(): tensor for tensor in batches_of.tensors((args, kwargs))}
