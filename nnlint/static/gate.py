"""Decides on a sketch of the file whether libcst has to parse it."""

from __future__ import annotations

from collections.abc import Sequence

from nnlint.rule import Rule
from nnlint.static.model import ScriptModel
from nnlint.static.sketch import sketch
from nnlint.static.source import Source

__all__ = ["silent"]


def silent(rules: Sequence[Rule], source: Source) -> bool:
    """Whether no rule has anything to say of the file, for certain.

    False says nothing: a rule that reports, that fails or that asks how the code is written decides on
    libcst's tree, as does everything that the sketch cannot tell.
    """
    try:
        source.refuse_deep_nesting()
        tree = sketch(source.text)
        if not rules:
            return True
        script = ScriptModel(source, tree)
        return not any(True for rule in rules for _ in rule.check_source(script))
    except Exception:  # of whatever kind: the reading that counts meets it again
        return False
