"""One training step in several processes: what each rank was given, and what it was left with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnlint.capture.plan import Place


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One DistributedDataParallel or FSDP module of a rank, as the step found it.

    `called` says whether the script called it; `bypassed` is where it called the wrapped module itself, with
    gradients on. `syncs` is False where the step's gradients were left unsynchronised (`no_sync`), and
    `shares` where buffers are not broadcast from rank 0.
    """

    class_name: str
    place: Place | None
    called: bool
    bypassed: Place | None
    syncs: bool
    shares: bool


@dataclass(frozen=True, slots=True)
class Rank:
    """What one process shows after its first training step.

    `batch` is a fingerprint of the first batch, empty where it cannot be taken, `loader` where its loader was
    built. `weights` are fingerprints of all trained parameters by name, `buffers` of running statistics and
    the like, both without tensors that are sharded over the ranks. `stepped` is where an optimizer was
    stepped, and `samples` how many the first batch held, 0 where that is not known. `norms` are names of
    batch norms in training mode that know nothing of the other ranks; `group` says whether the script has
    joined a process group.
    """

    rank: int
    size: int
    batch: str
    samples: int
    loader: Place | None
    wrappers: tuple[Wrapper, ...]
    weights: dict[str, str]
    buffers: dict[str, str]
    norms: tuple[str, ...]
    stepped: Place | None
    group: bool


def differing(ranks: Sequence[Rank]) -> tuple[str, ...]:
    """The names of the weights that all ranks hold, and not with the same values."""
    first, *others = ranks
    return tuple(
        name
        for name, value in first.weights.items()
        if all(name in other.weights for other in others)
        and any(other.weights[name] != value for other in others)
    )
