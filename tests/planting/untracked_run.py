"""Nothing is printed, logged or saved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    prints = [
        found
        for found in script.find("print(...)", "_t.save(...)", "_m.print(...)", "_m.save_pretrained(...)")
        if script.alone(found.node)
    ]
    if not prints or re.search("Trainer|ignite|accelerat|lightning", script.text):
        return
    # One inside another, as in a block of its own, goes with it.
    edits = {}
    for found in prints:
        statement = script.statement(found.node)
        edits[statement.lineno] = script.replace(statement, "pass")
    text = script.mutant(*edits.values()).text
    yield Mutant(text, frozenset(range(1, text.count("\n") + 2)), script.origin)
