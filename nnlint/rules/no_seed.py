"""See rules/no-seed.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.whole import trainings

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


# A seed that is set, passed on, or an option, by whatever function.
_SEED = re.compile(r"seed\w*['\"]?\s*[(=:,)]|seed_everything|set_\w*seed", re.IGNORECASE)


class NoSeed(Rule):
    words = ("__main__",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if _SEED.search(script.source.text):
            return
        for found in trainings(script)[:1]:
            yield self.problem(
                found.frame.node,
                "no seed is set anywhere in this script, so no two runs start from the same weights, order "
                "or augmentation, and no difference between two runs can be told from chance; call "
                "`torch.manual_seed` at the start",
            )
