"""See rules/untracked-run.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.values import EventKind
from nnlint.static.whole import trainings

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

# Whatever leaves a trace: on the screen, in a file, with a tracker.
_TRACE = re.compile(
    r"\bprint\(|\blog|wandb|mlflow|tensorboard|SummaryWriter|neptune|comet|clearml|aim\b|dvclive|\bsave|dump|"
    r"to_csv|\.write|set_postfix|plot|visdom|history|record|report",
    re.IGNORECASE,
)


class UntrackedRun(Rule):
    words = ("__main__",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if _TRACE.search(script.source.text) or any(script.events_of(EventKind.SAVE, EventKind.OPAQUE)):
            return
        for found in trainings(script, whole_batches=True)[:1]:
            yield self.problem(
                found.frame.node,
                "this script trains and leaves no trace: no metric is printed or logged, no setting and no "
                "weight is saved, so nothing tells whether it learned; log the losses with the settings "
                "that gave them",
            )
