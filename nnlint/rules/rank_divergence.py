"""See rules/rank-divergence.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.ranks import Rank, Wrapper, differing
from nnlint.finding import Severity
from nnlint.rule import Rule, Sighting, Skip, listed

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture

# Statistics of fewer samples than this are noise; the group norm paper has batch norm's error rise below 16.
_FEW = 8


class RankDivergence(Rule):
    explained_by = ("wrapper-bypassed",)

    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip]:
        if len(seen.ranks) < 2:
            return
        first = min(seen.ranks, key=lambda entry: entry.rank)
        if not first.group:
            yield Skip("the script joins no process group")
            return
        wrapper = next(iter(first.wrappers), None)
        if names := differing(seen.ranks):
            yield _apart(first, wrapper, names)
        elif wrapper is not None:
            yield from _statistics(first, wrapper)


def _apart(first: Rank, wrapper: Wrapper | None, names: tuple[str, ...]) -> Sighting:
    shown = [name.partition(".")[2] for name in names]
    what = (
        f"after the first step {len(names)} of {len(first.weights)} parameters differ between the "
        f"{first.size} ranks ({listed(shown)}): each rank trains a model of its own, and what rank 0 saves "
        f"has learned from its share of the data only; "
    )
    if wrapper is None:
        what += (
            "nothing averages their gradients: wrap the model in DistributedDataParallel, or all-reduce each "
            "gradient before `step()`"
        )
    elif not wrapper.syncs:
        what += (
            "this step's gradients were computed under `no_sync()`; leave it for the last backward pass "
            "before `step()`"
        )
    elif wrapper.called:
        what += (
            f"{wrapper.class_name} does not average their gradients, as it hooks the parameters that the "
            "model had when it was wrapped: move, convert and complete the model first, then wrap it"
        )
    else:
        what += f"call the {wrapper.class_name} wrapper for training, not the module within"
    return Sighting(
        first.stepped,
        what,
        related=((wrapper.place, "wrapped here"),) if wrapper is not None else (),
        # Without a wrapper it may be meant: averaging now and then, or a model for each rank.
        severity=None if wrapper is not None else Severity.WARNING,
        evidence={"parameters": list(shown), "ranks": first.size},
    )


def _statistics(first: Rank, wrapper: Wrapper) -> Iterator[Sighting]:
    if not first.norms:
        return
    shown = listed([name.removeprefix("module.") for name in first.norms])
    if not wrapper.shares:
        yield Sighting(
            wrapper.place,
            f"with `broadcast_buffers=False` each rank keeps running statistics of its own in {shown}: a "
            "model evaluated or saved by one rank has those of its share of the data; leave it on, or use "
            "SyncBatchNorm",
            severity=Severity.WARNING,
        )
    elif 0 < first.samples < _FEW:
        yield Sighting(
            wrapper.place,
            f"{shown} normalise over the {first.samples} samples of one rank, not over the "
            f"{first.samples * first.size} of a step: "
            "`nn.SyncBatchNorm.convert_sync_batchnorm(model)` before wrapping takes all of them",
            severity=Severity.INFO,
        )
