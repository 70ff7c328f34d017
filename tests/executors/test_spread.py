"""Continuations dealt to several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import pytest

from nnlint.capture.plan import Continuation, FirstStep, Request, Trajectory
from nnlint.capture.supervise import Capture, Progress
from nnlint.executors.spread import dealt, spread
from nnlint.finding import NotRun

STEP = FirstStep("loader", None, None, "", (), (), (), (), 0.0)
REQUEST = Request("train.py")


def _entry(name: str, seconds: float = 1.0) -> Continuation:
    return Continuation(name, "none", steps=1, seconds=seconds)


class _Scripted:
    """Room for two runs, which do what `play` says of the names of their continuations."""

    slots = 2

    def __init__(self, play: Callable[[list[str], Event], Capture]) -> None:
        self.play = play
        self.asked: list[list[str]] = []

    def capture(
        self,
        request: Request,
        continuations: Sequence[Continuation],
        beside: int,
        progress: Callable[[Progress], None] | None,
        stop: Event,
    ) -> Capture:
        del request, beside, progress
        names = [entry.name for entry in continuations]
        self.asked.append(names)
        return self.play(names, stop)


def _falls(*lost: str) -> _Scripted:
    """The runs of these continuations come to no first step."""

    def play(names: list[str], _: Event) -> Capture:
        if set(names) & set(lost):
            return Capture(not_run=[NotRun("the script", "its machine is gone", REQUEST.target)])
        return Capture(
            STEP, trajectories={name: Trajectory(name, "none", (), "steps", 0.0) for name in names}
        )

    return _Scripted(play)


def test_groups_take_about_as_long() -> None:
    groups = dealt([_entry("a", 10), _entry("b", 6), _entry("c", 5), _entry("d", 1)], 2)
    assert [[entry.name for entry in group] for group in groups] == [["a", "d"], ["b", "c"]]
    assert len(dealt([_entry("a"), _entry("b")], 8)) == 2
    assert dealt([], 8) == [[]]


def test_what_a_lost_run_was_for_is_missing_and_the_rest_is_there() -> None:
    seen = spread(_falls("b"), REQUEST, [_entry("a"), _entry("b")])
    assert seen.first_step == STEP
    assert set(seen.trajectories) == {"a"}
    assert seen.not_run == [NotRun("continuation b", "its machine is gone", "train.py")]


def test_without_any_first_step_the_reason_is_told_once() -> None:
    seen = spread(_falls("a", "b"), REQUEST, [_entry("a"), _entry("b")])
    assert seen.first_step is None
    assert seen.not_run == [NotRun("the script", "its machine is gone", "train.py")]


def test_further_rounds_run_what_is_new() -> None:
    executor = _falls()

    def more(seen: Capture) -> list[Continuation]:
        return [_entry("a"), _entry("later")] if "a" in seen.trajectories else []

    seen = spread(executor, REQUEST, [_entry("a")], more=more)
    assert executor.asked == [["a"], ["later"]]
    assert set(seen.trajectories) == {"a", "later"}


def test_an_interrupt_ends_the_others() -> None:
    stopped = []

    def play(names: list[str], stop: Event) -> Capture:
        if names == ["a"]:
            raise KeyboardInterrupt
        stopped.append(stop.wait(60))
        return Capture()

    with pytest.raises(KeyboardInterrupt):
        spread(_Scripted(play), REQUEST, [_entry("a"), _entry("b")])
    assert stopped == [True]
