"""A file's result as a line of JSON in the cache, and back.

What a rule's page says (name, address) is not kept, nor is the text of a Python file: both are at hand when
the line is read. A line may come from anybody who can write the folder, so it is believed only where
everything in it is of the right kind; nothing of it is ever run, and a repair never stands on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnlint.file_result import FileResult
from nnlint.finding import Finding, shown_name
from nnlint.page import Page

# Of a file in which nothing was found, by far the most there are.
NOTHING = ""


def to_line(result: FileResult, data: bytes, pages: Mapping[str, Page]) -> str | None:
    """The line, if reading it gives the same result again; None if not, or if something was not run."""
    if result.not_run:
        return None
    if result == FileResult(result.filename):
        return NOTHING
    own = _text(data)
    texts = {name: None if text == own else text for name, text in result.sources.items()}
    import json  # which a run that knows all files to be clean does without

    cells = {str(finding.cell or "") for finding in result.findings}
    content = {
        "checked": result.checked,
        "findings": [_kept(finding) for finding in result.findings],
        "texts": {cell: texts[name] for cell in cells if (name := _name(result.filename, cell)) in texts},
    }
    line = json.dumps(content, separators=(",", ":"))
    return line if from_line(line, result.filename, data, pages) == result else None


def from_line(line: str, filename: str, data: bytes, pages: Mapping[str, Page]) -> FileResult | None:
    """The result that the line is of; None if it is none."""
    if line == NOTHING:
        return FileResult(filename)
    import json

    try:
        content = json.loads(line)
        checked, texts = content["checked"], content["texts"]
        sources = {
            _name(filename, cell): _text(data) if text is None else text for cell, text in texts.items()
        }
        findings = tuple(_finding(kept, filename, pages) for kept in content["findings"])
        sound = isinstance(checked, bool) and all(isinstance(text, str) for text in sources.values())
        sound = sound and all(finding.shown_name in sources for finding in findings)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return FileResult(filename, findings, sources=sources, checked=checked) if sound else None


def _name(filename: str, cell: str) -> str:
    return shown_name(filename, int(cell) if cell else None)


def _text(data: bytes) -> str:
    """A Python file's text, in the encoding that nearly all have."""
    return data.decode("utf-8-sig", errors="replace")


def _kept(finding: Finding) -> dict[str, Any]:
    written = finding.to_dict()
    for known in ("name", "url", "filename"):
        del written[known]
    for related in written["related"]:
        del related["filename"]
    return written


def _finding(kept: dict[str, Any], filename: str, pages: Mapping[str, Page]) -> Finding:
    page = pages[kept["code"]]
    for place in (kept, *kept["related"], *(kept["fix"]["edits"] if kept["fix"] else ())):
        _check_place(place)
    for words in (kept["message"], *(related["message"] for related in kept["related"])):
        # Also no sequence that a terminal would obey.
        if not words.isprintable():
            raise ValueError(words)
    if kept["fix"] and not (kept["fix"]["message"].isprintable() and _are_texts(kept["fix"]["edits"])):
        raise ValueError(kept["fix"])
    if not isinstance(kept["evidence"], dict):
        raise TypeError(kept["evidence"])
    related = [{**each, "filename": filename} for each in kept["related"]]
    told = {**kept, "name": page.name, "url": page.url, "filename": filename, "related": related}
    return Finding.from_dict(told)


def _check_place(place: dict[str, Any]) -> None:
    numbers = [place[end][axis] for end in ("location", "end_location") for axis in ("row", "column")]
    numbers += [] if place["cell"] is None else [place["cell"]]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError(numbers)


def _are_texts(edits: list[dict[str, Any]]) -> bool:
    return all(isinstance(edit["content"], str) for edit in edits)
