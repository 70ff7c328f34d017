"""See rules/boolean-option.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Insertion, Problem, Replacement, Rule
from nnlint.static.imports import spelling
from nnlint.static.values import Kind, Value
from nnlint.static.walk import descend

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class BooleanOption(Rule):
    words = ("add_argument",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        action = None
        if any(value.op == "argparse.ArgumentParser" for value in script.calls):
            action = spelling(script.module, "argparse", "BooleanOptionalAction")
        for call in script.calls_of(".add_argument"):
            if not call.args or call.args[0].kind is not Kind.CONST or not isinstance(call.node, cst.Call):
                continue
            option = str(call.args[0].const)
            kind, default = call.kwargs.get("type"), call.kwargs.get("default")
            if kind is not None and kind.op == "builtins.bool":
                yield self._boolean(call, call.node, option, action)
            elif (
                kind is None
                and default is not None
                and _number(default)
                and _takes_text(call, option)
                and not _only_text(script, call, option)
            ):
                yield self._number(call.node, option, default)

    def _boolean(self, call: Value, node: cst.Call, option: str, action: str | None) -> Problem:
        argument = _argument(node, "type")
        fix = None
        if (
            action
            and option.startswith("--")
            and not call.kwargs.keys() & {"nargs", "const", "choices", "action", "metavar", "**"}
        ):
            fix = Draft(
                f"make `{option}` a flag with a `--no-` form",
                (
                    Replacement(argument.keyword or argument, "action"),
                    Replacement(argument.value, action),
                ),
            )
        return self.problem(
            argument,
            f"type=bool turns every text but the empty one into True, so `{option} False` switches it on; "
            f"use "
            f"action=argparse.BooleanOptionalAction",
            fix=fix,
        )

    def _number(self, node: cst.Call, option: str, default: Value) -> Problem:
        argument = _argument(node, "default")
        kind = type(default.const).__name__
        return self.problem(
            argument,
            f"`{option}` has a number as its default but no type=, so a value given on the command line "
            f"stays a string; "
            f"add type={kind}",
            fix=Draft(
                f"read `{option}` as {kind}", (Insertion(argument.keyword or argument, f"type={kind}, "),)
            ),
        )


def _argument(node: cst.Call, name: str) -> cst.Arg:
    return next(arg for arg in node.args if arg.keyword is not None and arg.keyword.value == name)


def _number(value: Value) -> bool:
    return value.kind is Kind.CONST and type(value.const) in (int, float)


def _takes_text(call: Value, option: str) -> bool:
    """Whether the option takes a value that argparse leaves as it is."""
    return option.startswith("--") and not call.kwargs.keys() & {"action", "choices", "const", "nargs", "**"}


def _only_text(script: ScriptModel, call: Value, option: str) -> bool:
    """Whether all that the file does with the option is to write it into an f-string."""
    given = call.kwargs.get("dest")
    name = str(given.const) if given is not None else option.lstrip("-").replace("-", "_")
    nodes = list(descend(script.module))
    written = {id(part) for node in nodes if isinstance(node, cst.FormattedString) for part in descend(node)}
    reads = [node for node in nodes if isinstance(node, cst.Attribute) and node.attr.value == name]
    return bool(reads) and all(id(node) in written for node in reads)
