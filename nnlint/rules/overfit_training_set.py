"""See rules/overfit-training-set.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.experiments.capacity import DELTA, OVERFIT, Search, Tried
from nnlint.rule import Outcome, Rule, Sighting, Skip

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture


class OverfitTrainingSet(Rule):
    def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip | Outcome]:
        search = seen.search
        if search is None or not any(entry.memory is not None for entry in search.tried):
            # It was not asked for, or nothing came of it, which the run says.
            return
        tried = [entry for entry in search.tried if entry.memory is not None]
        if why := next((entry.why for entry in tried if entry.why), ""):
            yield Skip(f"it is not known how low this loss can get: {why}")
        elif search.smallest is not None:
            yield Outcome(_smallest(search, search.smallest), _evidence(search))
        elif all(not entry.memory.shares for entry in tried if entry.memory):
            yield Skip("the time was over before a first epoch was (see --budget)")
        elif any(entry.rises for entry in tried) and search.enough is None:
            rising = ", ".join(_told(search, entry) for entry in tried if entry.rises)
            yield Skip(f"the time was over before it could be told (see --budget): {rising}")
        else:
            yield self._none(search, tried)

    def _none(self, search: Search, tried: list[Tried]) -> Sighting:
        values = ", ".join(entry.value for entry in tried)
        best = max(tried, key=lambda entry: entry.memory.best if entry.memory else 0.0)
        place = search.place or next((entry.memory.place for entry in tried if entry.memory), None)
        if search.enough is not None:
            larger = (
                f"more than {search.name}={search.enough.value} gains less than {DELTA:.0%}, so size is not "
                "what is missing: look for labels that the features do not determine, a rate that is too "
                "high or too low, and an activation or a bottleneck that limits the output"
            )
        else:
            larger = "try larger ones, and if they gain nothing look at the features, the labels and the rate"
        return Sighting(
            place,
            f"no capacity of {search.name}={values} overfits the training set without regularisation: the "
            f"best, {_told(search, best)}, where {OVERFIT:.0%} count as overfitting; a model that cannot "
            f"learn its training set by heart will not do better on other data; {larger}",
            evidence=_evidence(search),
        )


def _smallest(search: Search, found: Tried) -> str:
    smaller = [entry for entry in search.tried if entry.memory is not None and not entry.overfits]
    told = "; ".join(_told(search, entry) for entry in smaller)
    return (
        f"smallest capacity that overfits the training set: {_told(search, found)}"
        f"{f' ({told})' if told else ''}"
    )


def _told(search: Search, entry: Tried) -> str:
    memory = entry.memory
    if memory is None:
        return f"{search.name}={entry.value}"
    epochs = f"{len(memory.shares)} epoch{'' if len(memory.shares) == 1 else 's'}"
    more = " and still rising when the time was over" if entry.rises else ""
    return (
        f"{search.name}={entry.value} with {entry.parameters} parameters: {_share(memory.best)} after "
        f"{epochs}{more}"
    )


def _share(value: float) -> str:
    return f"{max(value, 0.0):.1%}"


def _evidence(search: Search) -> dict[str, object]:
    return {
        "capacity": search.name,
        "smallest": search.smallest.value if search.smallest is not None else None,
        "overfit_at": OVERFIT,
        "tried": [
            {
                "value": entry.value,
                "parameters": entry.parameters,
                "learnt": round(entry.memory.best, 4),
                "epochs": len(entry.memory.shares),
                "updates": entry.memory.updates,
                "samples": entry.memory.samples,
                "settled": not entry.rises,
            }
            for entry in search.tried
            if entry.memory is not None
        ],
    }
