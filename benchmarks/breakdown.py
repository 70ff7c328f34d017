"""Where nnlint's own time goes, in process: CPU seconds by stage, each without the stages inside it."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

STAGES = ("gate", "sketch", "parse", "model", "rules", "positions")


class Clock:
    """Exclusive time: entering a stage stops the clock of the stage around it."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._stack = ["rest"]
        self._since = time.process_time()

    def enter(self, stage: str) -> None:
        self._charge()
        self._stack.append(stage)

    def leave(self) -> None:
        self._charge()
        self._stack.pop()

    def _charge(self) -> None:
        now = time.process_time()
        self.spent[self._stack[-1]] += now - self._since
        self._since = now

    def stop(self) -> dict[str, float]:
        self._charge()
        return dict(self.spent)

    def watch(self, owner: Any, name: str, stage: str) -> None:
        """Charge every call of a method, or first read of a cached property, to the stage."""
        member = inspect.getattr_static(owner, name)
        if isinstance(member, functools.cached_property):
            watched: Any = functools.cached_property(self._timed(member.func, stage))
            watched.__set_name__(owner, name)
        else:
            watched = self._timed(member, stage)
        setattr(owner, name, watched)

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.enter(stage)
            try:
                result = function(*args, **kwargs)
                # A generator does its work when it is read.
                return list(result) if hasattr(result, "__next__") else result
            finally:
                self.leave()

        return timed


def breakdown(files: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """(CPU seconds by stage, CPU seconds by rule) of one pass over the files."""
    import nnlint.static.sketch as sketching
    from nnlint.config import Config
    from nnlint.engine import Linter
    from nnlint.static.model import ScriptModel
    from nnlint.static.source import Source

    linter = Linter.load(Config())
    clock, by_rule = Clock(), Clock()
    clock.watch(Source, "gate", "gate")
    clock.watch(sketching, "sketch", "sketch")
    clock.watch(Source, "parse", "parse")
    clock.watch(ScriptModel, "__init__", "model")
    for name, member in list(vars(ScriptModel).items()):
        if isinstance(member, functools.cached_property):
            clock.watch(ScriptModel, name, "model")
    clock.watch(ScriptModel, "positions", "positions")
    for kind in {type(rule) for rule in linter.rules}:
        clock.watch(kind, "check_source", "rules")
        by_rule.watch(kind, "check_source", kind.__name__)
    linter.check(files)
    spent, rules = clock.stop(), by_rule.stop()
    rules.pop("rest", None)
    return {stage: spent.get(stage, 0.0) for stage in (*STAGES, "rest")}, rules


if __name__ == "__main__":
    import json
    from pathlib import Path

    stages, rules = breakdown(Path(sys.argv[1]).read_text().splitlines())
    print(json.dumps({"stages": stages, "rules": rules}))
