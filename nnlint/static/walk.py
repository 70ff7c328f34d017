"""Our own walk over libcst nodes: only fields that can hold code, no visitor, no metadata.

A visitor costs about as much as the parse itself, this walk a tenth of it (research/libcst-cost.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

# Fields that hold white space, punctuation or parentheses: never code.
SKIPPED = {
    "lpar", "rpar", "lbracket", "rbracket", "lbrace", "rbrace", "comma", "semicolon", "equal", "colon", "dot",
    "leading_lines", "lines_after_decorators", "header", "footer", "trailing_whitespace", "indent", "newline",
    "comment", "star", "keyword_star", "first_colon", "second_colon", "arrow", "encoding", "default_indent",
    "default_newline", "has_trailing_newline", "decorator_newline", "posonly_ind", "bar", "as_", "async_",
    "asynchronous", "leading_whitespace",
}  # fmt: skip

_fields: dict[type, tuple[str, ...]] = {}


def fields_of(kind: type) -> tuple[str, ...]:
    """The fields of a node class that can hold code, in source order."""
    names = _fields.get(kind)
    if names is None:
        names = tuple(
            name
            for name in getattr(kind, "__dataclass_fields__", ())
            if name not in SKIPPED and not name.startswith("whitespace")
        )
        _fields[kind] = names
    return names


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The direct children that are code."""
    for name in fields_of(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif type(value) in (list, tuple):
            for item in value:
                if isinstance(item, cst.CSTNode):
                    yield item


def descend(node: cst.CSTNode, enter: Callable[[cst.CSTNode], bool] | None = None) -> Iterator[cst.CSTNode]:
    """The node and all below it in source order; `enter` says whether to go below a node."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if enter is None or enter(current):
            stack.extend(reversed(list(children(current))))


def same_code(first: cst.CSTNode, second: cst.CSTNode) -> bool:
    """Whether two nodes say the same, however they are laid out."""
    if type(first) is not type(second):
        return False
    for name in fields_of(type(first)):
        one, other = getattr(first, name), getattr(second, name)
        if isinstance(one, cst.CSTNode) and isinstance(other, cst.CSTNode):
            if not same_code(one, other):
                return False
        elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            if len(one) != len(other) or not all(map(same_code, one, other)):
                return False
        elif one != other:
            return False
    return True
