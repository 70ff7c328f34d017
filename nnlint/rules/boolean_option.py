"""See rules/boolean-option.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.finding import Severity
from nnlint.rule import Draft, Insertion, Problem, Replacement, Rule
from nnlint.static.imports import spelling
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

_GROUPS = frozenset({".add_argument_group", ".add_mutually_exclusive_group"})


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
                if "action" in call.kwargs:
                    continue  # `store_true` refuses a type: argparse says so itself
                made = _parser(script, call)
                if not made.endswith("Parser") or made.endswith(("ArgumentParser", "ArgParser")):
                    yield self._boolean(call, call.node, option, action, sure=made.endswith("Parser"))
            elif kind is None and default is not None and _number(default) and _takes_text(call, option):
                use = _silent_use(script, call, option)
                if use is not None:
                    yield self._number(call.node, option, default, *use)

    def _boolean(
        self, call: Value, node: cst.Call, option: str, action: str | None, *, sure: bool
    ) -> Problem:
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
            f"use action=argparse.BooleanOptionalAction",
            fix=fix,
            severity=None if sure else Severity.WARNING,
        )

    def _number(self, node: cst.Call, option: str, default: Value, use: cst.CSTNode, why: str) -> Problem:
        argument = _argument(node, "default")
        kind = type(default.const).__name__
        return self.problem(
            argument,
            f"`{option}` has a number as its default but no type=, so a value given on the command line "
            f"stays a string, and {why}; add type={kind}",
            related=((use, "used as a number"),),
            severity=Severity.WARNING,
            fix=Draft(
                f"read `{option}` as {kind}", (Insertion(argument.keyword or argument, f"type={kind}, "),)
            ),
        )


def _parser(script: ScriptModel, call: Value) -> str:
    """The class of the parser that the option is added to, as it is made or annotated; one of a class of its
    own may read `bool` in its own way. Empty where the file does not say."""
    parser = call.receiver
    for _ in range(9):
        if parser is None or parser.op not in _GROUPS or parser.receiver is None:
            break
        parser = parser.receiver
    if parser is None:
        return ""
    if parser.op == "param" and isinstance(parser.node, cst.Param) and parser.node.annotation is not None:
        return script.text(parser.node.annotation.annotation)
    if parser.op == ".add_parser":
        return "ArgumentParser"  # of subparsers
    return parser.op if parser.op.endswith("Parser") else ""


def _argument(node: cst.Call, name: str) -> cst.Arg:
    return next(arg for arg in node.args if arg.keyword is not None and arg.keyword.value == name)


def _number(value: Value) -> bool:
    return value.kind is Kind.CONST and type(value.const) in (int, float)


def _takes_text(call: Value, option: str) -> bool:
    """Whether the option takes a value that argparse leaves as it is."""
    return option.startswith("--") and not call.kwargs.keys() & {"action", "choices", "const", "nargs", "**"}


def _silent_use(script: ScriptModel, call: Value, option: str) -> tuple[cst.CSTNode, str] | None:
    """Where a string would go through unnoticed; a layer, an optimizer or a `range` refuses it."""
    given = call.kwargs.get("dest")
    name = str(given.const) if given is not None else option.lstrip("-").replace("-", "_")

    def is_option(value: Value) -> bool:
        return value.op == "getattr" and value.const == name

    for used in script.calls_of("eq", "ne", "mul"):
        if used.node is None or not any(map(is_option, used.args)):
            continue
        others = [arg for arg in used.args if not is_option(arg)]
        if used.op != "mul" and any(_number(arg) for arg in others):
            return used.node, "a string never equals a number"
        if used.op == "mul" and any(type(arg.const) is int for arg in others):
            return used.node, "a string times a number is the string repeated"
    for frame in script.branches:
        test = frame.value
        parts = [] if test is None else test.args if test.op in {"and", "or", "not"} else [test]
        if any(map(is_option, parts)):
            return frame.node, "every string but the empty one is true, `0` included"
    return None
