"""Nothing is printed, logged or saved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    prints = [found for found in script.find("print(...)", "_t.save(...)") if script.alone(found.node)]
    if not prints or "__main__" not in script.text:
        return
    # One inside another, as in a block of its own, goes with it.
    edits = {}
    for found in prints:
        statement = script.statement(found.node)
        edits[statement.lineno] = script.replace(statement, "pass")
    text = script.mutant(*edits.values()).text
    # `log_prob` is a trace to the rule as `log` is.
    if not re.search(r"print|save|log|write|dump|history|Trainer|ignite|accelerat", text):
        yield Mutant(text, frozenset(range(1, text.count("\n") + 2)), script.origin)
