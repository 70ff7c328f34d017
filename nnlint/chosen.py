"""`--only` and `--skip`: which experiments a run does, by the names of the modules of nnlint.experiments.

What no rule can name, since it measures nothing of its own, is an experiment, too: `later` looks for loops
that train later on, and `graph` records the first step.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache

from nnlint import experiments
from nnlint.capture.plan import Continuation
from nnlint.rule import Rule

LATER, GRAPH = "later", "graph"


class ChoiceError(Exception):
    """A name that no experiment has; the message is one line."""


def names() -> tuple[str, ...]:
    """The experiments that rules are made of."""
    return tuple(sorted({*(module.name for module in pkgutil.iter_modules(experiments.__path__)), LATER}))


def chosen(rules: Sequence[Rule], only: Sequence[str], skip: Sequence[str]) -> list[Rule]:
    """The rules without those whose experiments are not wanted; what judges no experiment stays."""
    wanted, unwanted = ({_known(name) for name in some} for some in (only, skip))
    return [
        rule
        for rule in rules
        if not (uses := used_by(rule)) or (not uses & unwanted and (not wanted or uses & wanted))
    ]


def records(rules: Iterable[Rule], only: Sequence[str], skip: Sequence[str]) -> bool:
    """Whether the first step is to be recorded as a graph.

    A rule that looks at it alone, and was left because it judges no experiment, is no reason if others were
    chosen.
    """
    wanted, unwanted = ({_known(name) for name in some} for some in (only, skip))
    return GRAPH not in unwanted and any(
        ("G" in rule.page.tiers or GRAPH in used_by(rule))
        and (not wanted or GRAPH in wanted or used_by(rule) & wanted)
        for rule in rules
    )


def taken(
    continuations: Iterable[Continuation], only: Sequence[str], skip: Sequence[str]
) -> tuple[Continuation, ...]:
    """The continuations without the search for later loops where it is not wanted."""
    wanted, unwanted = ({_known(name) for name in some} for some in (only, skip))
    if LATER not in unwanted and (not wanted or LATER in wanted):
        return tuple(continuations)
    left = []
    for entry in continuations:
        meters = tuple(meter for meter in entry.meters if meter != LATER)
        if meters or not entry.meters:
            left.append(replace(entry, meters=meters))
    return tuple(left)


@cache
def used_by(rule: Rule) -> set[str]:
    """The experiments that a rule judges: those of which its code uses more than a continuation."""
    package = experiments.__name__
    used = set()
    for module, name in _imports(inspect.getsource(sys.modules[type(rule).__module__])):
        if module == package:
            used.add(name)
        elif module.startswith(f"{package}."):
            value = getattr(importlib.import_module(module), name)
            used.add(str(getattr(value, "__module__", "")).removeprefix(f"{package}."))
    return used & set(names())


def _imports(code: str) -> Iterator[tuple[str, str]]:
    """What a module imports, at once or when it is asked for, as (module, name); not for types alone."""
    tree = ast.parse(code)
    # The only condition on which rules import.
    typing = {id(node) for part in tree.body if isinstance(part, ast.If) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in typing:
            yield from ((node.module, alias.name) for alias in node.names)


def _known(name: str) -> str:
    name = name.replace("-", "_")
    if name not in names():
        close = difflib.get_close_matches(name, names(), 1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names())}"
        raise ChoiceError(f"there is no experiment {name}{hint}")
    return name
