"""How a failure of our own is told."""

from __future__ import annotations

from nnlint.rule import Rule


def describe(rule: Rule) -> str:
    """How `not_run` names a rule."""
    return f"rule {rule.page.code} {rule.page.name}"


def one_line(error: Exception) -> str:
    """What went wrong, for `not_run`."""
    if isinstance(error, RecursionError):
        return "the code is nested too deeply"
    return " ".join(f"{type(error).__name__}: {error}".split())
