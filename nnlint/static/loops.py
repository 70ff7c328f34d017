"""The regions of a script: which events make one training step, which an evaluation pass."""

from __future__ import annotations

from dataclasses import dataclass, field

from nnlint.static.state import roots
from nnlint.static.values import Event, EventKind, Frame, Kind, Value

TRAINING = (EventKind.BACKWARD, EventKind.STEP)
PARTS = frozenset({EventKind.FORWARD, EventKind.BACKWARD, EventKind.STEP})


@dataclass(eq=False)
class DataPass:
    """The innermost loop (or function, where no loop is in sight) that holds forwards or steps.

    `frame` is the loop's frame; for a step that stands outside of any visible loop it is the frame of the
    function or module, and `looped` is False. `events` are in the order in which they run, and hold only
    what belongs to this pass, not what inner passes do.
    """

    frame: Frame
    looped: bool
    events: list[Event] = field(default_factory=list)

    def of(self, *kinds: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    @property
    def trains(self) -> bool:
        """Whether something is back-propagated or stepped here."""
        return any(event.kind in TRAINING for event in self.events)

    @property
    def outer(self) -> Frame | None:
        """The loop around the pass: epochs."""
        return self.frame.parent.loop() if self.frame.parent is not None else None

    @property
    def iterable(self) -> Value | None:
        """What the loop runs over."""
        return self.frame.value if self.looped else None

    @property
    def loader(self) -> Value | None:
        """The loader behind `for … in enumerate(tqdm(loader))`, where it can be seen."""
        value = self.iterable
        for _ in range(6):
            if value is None:
                return None
            if value.kind is Kind.LOADER:
                return value
            value = value.receiver if value.receiver is not None else (value.args[0] if value.args else None)
        return None


def find_passes(events: list[Event]) -> list[DataPass]:
    """Group forwards, backwards and steps by their innermost loop; then add what else that loop does."""
    found: dict[int, DataPass] = {}
    for event in events:
        if event.kind in PARTS:
            frame, looped = _home(event)
            found.setdefault(id(frame), DataPass(frame, looped))
    for current in found.values():
        pool = (
            current.frame.events if current.looped else [e for e in events if e.frame.inside(current.frame)]
        )
        for event in pool:
            home = _innermost(event, found)
            if home is current:
                current.events.append(event)
    return sorted(found.values(), key=lambda p: p.frame.start)


def _home(event: Event) -> tuple[Frame, bool]:
    loop = event.frame.loop()
    if loop is not None:
        return loop, True
    top = event.frame
    for frame in event.frame.chain():
        if frame.kind in {"function", "module"}:
            top = frame
            break
    return top, False


def _innermost(event: Event, found: dict[int, DataPass]) -> DataPass | None:
    """The pass that an event belongs to: the nearest surrounding one."""
    for frame in event.frame.chain():
        current = found.get(id(frame))
        if current is not None and (current.looped or frame.kind in {"function", "module"}):
            return current
    return None


def trains_one_model(loop: Frame) -> bool:
    """Whether the loop steps optimizers that were made before it, and never loads other weights."""
    steps = [event for event in loop.events if event.kind is EventKind.STEP]
    if not steps or any(event.kind is EventKind.LOAD_STATE for event in loop.events):
        return False
    return all(
        event.target is not None and all(root.time < loop.start for root in roots(event.target))
        for event in steps
    )
