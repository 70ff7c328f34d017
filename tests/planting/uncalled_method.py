"""The brackets of a call are forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        "_o.zero_grad()", "_l.backward()", "_o.step()", "_m.eval()", "_m.train()", "_s.update()"
    ):
        if script.alone(site.node):
            code = script.source(site.node)
            yield script.mutant(script.replace(site.node, code[: code.rindex("(")]))
