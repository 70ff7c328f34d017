"""What is asked of the process that runs the script, and what it answers: plain values that survive JSON."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the user's files."""

    filename: str
    row: int


@dataclass(frozen=True, slots=True)
class Continuation:
    """The script's own loop, taken further from its first training step under an intervention.

    `steps` counts optimizer steps (parameter updates where there is no optimizer); `seconds` are those that
    it takes of a processor, so that it comes as far on a busy machine as on an idle one.
    `intervention` names a module of nnlint.capture.interventions ("none": the loop as it is), and `values` is
    what it is given: a seed, the ends of a ramp. `meters` name modules of nnlint.capture.meters, which
    measure on the way.
    """

    name: str
    intervention: str
    steps: int
    seconds: float
    values: tuple[float, ...] = ()
    meters: tuple[str, ...] = ()

    @property
    def patience(self) -> float:
        """What it may take by the clock, in seconds: a script may wait (for a disk, an accelerator)."""
        return 10 * self.seconds

    def joined(self, other: Continuation) -> Continuation:
        """One continuation that serves both; ValueError if they share a name and not what is done."""
        if (self.name, self.intervention, self.values) != (other.name, other.intervention, other.values):
            raise ValueError(f"two continuations named {self.name} do not do the same")
        return dataclasses.replace(
            self,
            steps=max(self.steps, other.steps),
            seconds=max(self.seconds, other.seconds),
            meters=tuple(dict.fromkeys(self.meters + other.meters)),
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants run, and within which limits.

    `target` is a file, or with `module` a module's name; `arguments` are the script's own, and `constants`
    are names that it assigns at module level, each with the literal that it is to assign instead. `seconds`
    and `memory` (GiB; 0: a share of what is free) are for everything that runs the script. `cpu` hides
    accelerators. Without `fork` the script is run anew for each part. `verbose` passes on what it prints.
    `shelter` names one way to keep it from changing files (nnlint.capture.shelter); "" is the best there is.
    With `ranks`, so many processes run it, as torchrun starts them.
    With `trace` no script is run: `target` names a model (nnlint.graph.tracing), and `arguments` are the
    shapes of its inputs. `descriptors` are open files that the script's process is given, too; with `aligned`
    each pass of a loader begins with the same random state, whatever the script has drawn before.
    """

    target: str
    arguments: tuple[str, ...] = ()
    module: bool = False
    seconds: float = 60.0
    memory: float = 0.0
    cpu: bool = False
    fork: bool = True
    verbose: bool = False
    shelter: str = ""
    trace: bool = False
    constants: tuple[tuple[str, ...], ...] = ()
    descriptors: tuple[int, ...] = ()
    aligned: bool = False
    ranks: int = 0


# What random, NumPy and torch begin with in every process of a run, unless the script sets seeds of its own.
SEED = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one child process is to do for a request.

    With `fork`, it runs the script once and forks what else is needed. Without, it plays one `role` itself
    ("probe", or the name of a continuation) from the candidate numbered `at`; others play the rest. `memory`
    is in bytes.
    """

    request: Request
    continuations: tuple[Continuation, ...] = ()
    fork: bool = True
    role: str = "probe"
    at: int = 0
    workers: int = 1
    seed: int = SEED
    memory: int = 0
    # Where more continuations are asked for once those above are done; -1: no more will be.
    asks: int = -1
    # When its time is over, on the clock of time.monotonic, which all processes share; 0: nobody has said.
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class Further:
    """More continuations from the same fork point, in the light of the first ones."""

    continuations: tuple[Continuation, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a model around its first update. Norms are Euclidean; NaN stands for not finite."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool
    has_grad: bool
    grad_norm: float
    finite: bool
    # Which of FirstStep.optimizers hold it.
    optimizers: tuple[int, ...]
    # The learning rate it was stepped with; 0 if it was not.
    lr: float
    # How often any optimizer stepped over it while it had a gradient, and the norms around those steps.
    steps: int
    changed: bool
    norm: float
    update_norm: float
    # Whether an optimizer held it that stepped before this iteration, in a loop that came earlier.
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A module within a root, by its name there, as it was when the root was called."""

    name: str
    class_name: str
    training: bool


@dataclass(frozen=True, slots=True)
class Root:
    """A module that the script called itself (not from within another module's forward)."""

    class_name: str
    place: Place | None
    training: bool
    parameters: tuple[Parameter, ...]
    # A readable form of the call's arguments: "Tensor[64, 1, 28, 28] float32".
    arguments: tuple[str, ...]
    output: str
    # Where dropout was applied in eval mode, when the same arguments were evaluated once more.
    dropped: tuple[Place, ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """One parameter group of an optimizer."""

    lr: float
    parameters: int


@dataclass(frozen=True, slots=True)
class OptimizerState:
    """An optimizer that existed when the first training iteration ended."""

    class_name: str
    place: Place | None
    groups: tuple[Group, ...]
    steps: int
    # How many of its parameters had a gradient at its last step.
    graded: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What `backward` was called on."""

    value: float
    shape: tuple[int, ...]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One call of a loss of torch.nn.functional, as the first iteration made it.

    `low` and `high` are the smallest and largest target; `classes` is the size of the class axis, 0 where
    there is none; `finite` says whether the target holds neither NaN nor Inf.
    """

    name: str
    place: Place | None
    prediction: tuple[int, ...]
    target: tuple[int, ...]
    classes: int
    low: float
    high: float
    integer: bool
    finite: bool
    ignore_index: int


@dataclass(frozen=True, slots=True)
class LoaderSettings:
    """The loader whose batch began the iteration; one pass draws so many `samples`, 0 if nobody knows."""

    class_name: str
    dataset: str
    batch_size: int
    sampler: str
    workers: int
    drop_last: bool
    samples: int = 0
    # Where it was built.
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FirstStep:
    """The first training iteration of a script: all that is known without going further."""

    trigger: str
    place: Place | None
    loader: LoaderSettings | None
    batch: str
    roots: tuple[Root, ...]
    optimizers: tuple[OptimizerState, ...]
    losses: tuple[Loss, ...]
    criteria: tuple[Criterion, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """One update within a trajectory."""

    loss: float
    grad_norm: float
    optimizer: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the meter of this name found, as JSON of its namesake.s value in nnlint.experiments."""

    meter: str
    result: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What a continuation did; `ended` is "steps", "seconds", "not finite", or what happened instead.

    It took so many `seconds` by the clock, and `worked` so many of a processor.
    """

    name: str
    intervention: str
    steps: tuple[Step, ...]
    ended: str
    seconds: float
    measured: tuple[Measurement, ...] = ()
    worked: float = 0.0

    def measure(self, kind: type[_T]) -> _T | None:
        """What the meter named like the module of `kind` found; None if it found nothing or failed."""
        meter = kind.__module__.rpartition(".")[2]
        found = next((entry.result for entry in self.measured if entry.meter == meter), None)
        return None if found is None else from_json(kind, found)


def to_json(value: Any) -> str:
    """One line of JSON for a value of this module; NaN and Inf are written as Python's json does."""
    return json.dumps(dataclasses.asdict(value), separators=(",", ":"))


def from_json(kind: type[_T], text: str) -> _T:
    """The value that `to_json` wrote; ValueError, TypeError or KeyError if it is not one."""
    result: _T = _decode(kind, json.loads(text))
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, data: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return kind(**{name: _decode(hint, data[name]) for name, hint in _hints(kind).items()})
    if hasattr(kind, "_fields"):
        # A named tuple, which JSON knows as a list.
        return kind(*(_decode(hint, item) for hint, item in zip(_hints(kind).values(), data, strict=True)))
    origin = typing.get_origin(kind)
    if origin is tuple:
        return tuple(_decode(typing.get_args(kind)[0], item) for item in data)
    if origin is dict:
        return {key: _decode(typing.get_args(kind)[1], item) for key, item in data.items()}
    if origin in (typing.Union, types.UnionType):
        inner = next(option for option in typing.get_args(kind) if option is not type(None))
        return None if data is None else _decode(inner, data)
    return data
