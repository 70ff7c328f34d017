"""One cell of a notebook as plain Python: what only IPython understands is put aside, line by line.

Every row of the result is the row of the cell that it stands for, so places in one are places in the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Cell magics that run the cell's body in the notebook's own namespace. The body of any other is text, another
# language, or Python for another process.
_RUN_HERE = frozenset({"capture", "debug", "memit", "mprun", "prun", "scalene", "time", "timeit", "wandb"})
# Line magics that run the statement behind them in the notebook's namespace.
_RUN_STATEMENT = re.compile(r"([ \t]*)(%(?:memit|prun|time|timeit)[ \t]+)(?=[^\s-])")
# IPython lets these do without their `%`.
_AUTOMAGIC = re.compile(
    r"[ \t]*(?:cat|cd|conda|cp|env|load_ext|ls|mamba|man|matplotlib|mkdir|mv|pip|pwd|rm|rmdir|run|uv|whos?)"
    r"[ \t]+[^\s=(\[]"
)
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_MAGIC = re.compile(r"[ \t]*[%!?,;/]")
_ASSIGNED = re.compile(r"(?<![=<>!])=[ \t]*(?=%\w|!)")

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\r\n]*)
    | (?P<quote>\"\"\"|\'\'\'|"|')
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<joined>\\(?:\r\n|\r|\n|\Z))
    | (?P<end>\r\n|\r|\n)""",
    re.VERBOSE,
)
_STRING_END = {
    quote: re.compile(rf"(?:\\(?:\r\n|[\s\S])|(?!{quote}){inner})*{quote}")
    for quote, inner in (('"""', r"[\s\S]"), ("'''", r"[\s\S]"), ('"', r"[^\r\n]"), ("'", r"[^\r\n]"))
}
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_REST_OF_MAGIC = re.compile(r"(?:[^\r\n]*\\(?:\r\n|\r|\n))*[^\r\n]*(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Plain:
    """The Python of one cell. `complete` is false where a bracket, string or line goes on past its end."""

    text: str
    complete: bool = True


def plain(cell: str) -> Plain:
    """The cell with its magics, shell lines and help requests replaced by `pass`.

    The statement behind `%time` stays, as does the body of `%%time`; `x = !ls` becomes `x = get_ipython()`.
    """
    if magic := _CELL_MAGIC.match(cell):
        if magic[1] not in _RUN_HERE:
            return Plain(_blank(cell))
        head = _REST_OF_MAGIC.match(cell, magic.start(1))
        assert head is not None  # it may match nothing
        body = plain(cell[head.end() :])
        return Plain(_blank(cell[: head.end()]) + body.text, body.complete)
    lines = list(_logical_lines(cell))
    return Plain("".join(_line(line) for line, _ in lines), all(complete for _, complete in lines))


def _line(line: str) -> str:
    """One logical line as Python."""
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if timed := _RUN_STATEMENT.match(line):
        # In the magic's own columns, so that what follows stays in its own.
        return f"{indent}0;{' ' * (len(timed[2]) - 2)}{line[timed.end() :]}"
    code = _code(line)
    if _MAGIC.match(line) or code.endswith("?") or _is_automagic(line):
        return f"{indent}pass{_blank(line)}"
    if assigned := _ASSIGNED.search(code):
        return f"{line[: assigned.end()]}get_ipython(){_blank(line[assigned.end() :])}"
    return line


def _is_automagic(line: str) -> bool:
    if not _AUTOMAGIC.match(line):
        return False
    try:
        compile(line.strip(), "<cell>", "exec")
    except (SyntaxError, ValueError):
        return True
    return False


def _code(line: str) -> str:
    """The line without its comment and with blanks for what stands in its strings."""
    code, at = "", 0
    while token := _TOKEN.search(line, at):
        code += line[at : token.start()]
        if token.lastgroup == "comment":
            return code.rstrip()
        code += token[0]
        at = token.end()
        if token.lastgroup == "quote":
            end = _STRING_END[token[0]].match(line, at)
            code += " " * ((end.end() if end else len(line)) - at - 1) + "'"
            at = len(code)
    return (code + line[at:]).rstrip()


def _blank(text: str) -> str:
    """The line breaks of a text, all that stays of what is put aside."""
    return "".join(_LINE_BREAK.findall(text))


def _logical_lines(cell: str) -> Iterator[tuple[str, bool]]:
    """The cell's logical lines with their line breaks, and whether each has come to its end."""
    start = 0
    while start < len(cell):
        if _MAGIC.match(cell, start) or _ASSIGNED.search(_code(cell[start : _line_end(cell, start)])):
            match = _REST_OF_MAGIC.match(cell, start)
            assert match is not None  # it may match nothing
            end, complete = match.end(), True
        else:
            end, complete = _statement_end(cell, start)
        yield cell[start:end], complete
        start = end


def _line_end(cell: str, start: int) -> int:
    end = _LINE_BREAK.search(cell, start)
    return end.start() if end else len(cell)


def _statement_end(cell: str, at: int) -> tuple[int, bool]:
    """Where the logical line that begins at `at` ends, and whether it is complete there."""
    depth = 0
    joined = False
    while token := _TOKEN.search(cell, at):
        at = token.end()
        kind = token.lastgroup
        joined = kind == "joined" and at == len(cell)
        if kind == "quote":
            end = _STRING_END[token[0]].match(cell, at)
            if end is None and len(token[0]) == 3:
                return len(cell), False
            # An unclosed string of one line is a fault within its line; the line ends all the same.
            at = end.end() if end else _line_end(cell, at)
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == "end" and depth == 0:
            return at, True
    return len(cell), depth == 0 and not joined
