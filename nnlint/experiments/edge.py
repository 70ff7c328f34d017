"""Operations that met the edge of their domain in a run: what the first NaN or Inf of it came from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnlint.experiments.health import of
from nnlint.finding import Severity
from nnlint.rule import Sighting

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.supervise import Capture
    from nnlint.experiments.origin import Source

# Beyond this a value has grown on the way to the largest float, and the operation is not to blame.
_GROWN = 1e12


@dataclass(frozen=True, slots=True)
class Edge:
    """An operation that made the first NaN or Inf of finite values, the line it stands on, and the step."""

    source: Source
    place: Place
    step: int

    @property
    def ends(self) -> tuple[tuple[float, float], ...]:
        """The smallest and the largest element of each tensor that it got."""
        return tuple((float(low), float(high or low)) for low, _, high in map(_split, self.source.ranges))

    @property
    def where(self) -> str:
        """In which module, if that is known."""
        return f" (in `{self.source.module}`)" if self.source.module else ""

    def sighting(self, message: str) -> Sighting:
        """An error, whatever the rule says of what might happen: it did. It explains the NaN itself."""
        evidence = {
            "step": self.step,
            "operation": self.source.op,
            "inputs": list(self.source.ranges),
            "module": self.source.module,
        }
        return Sighting(
            self.place,
            f"in step {self.step} {message}",
            severity=Severity.ERROR,
            evidence=evidence,
            explains=("nan-inf-origin",),
        )


def met(seen: Capture, operations: Collection[str], *, backward: bool) -> Iterator[Edge]:
    """The edge that one of these operations met, itself or (`backward`) with its slope; at most one."""
    health = of(seen)
    if health is None or health.broken is None or health.origin is None:
        return
    source = health.origin.source
    if source.given or source.backward != backward or source.op not in operations or source.place is None:
        return
    edge = Edge(source, source.place, health.broken.step + 1)
    if all(max(abs(low), abs(high)) <= _GROWN for low, high in edge.ends):
        yield edge


def _split(entry: str) -> tuple[str, str, str]:
    return entry.partition(" to ")
