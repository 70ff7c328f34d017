"""Findings as an editor wants them: diagnostics, code actions and hovers of the Language Server Protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lsprotocol import types
from lsprotocol.converters import get_converter
from pygls.workspace import PositionCodec

from nnlint import fixes, ignores
from nnlint.documents import Document
from nnlint.finding import Applicability, Edit, Finding, Fix
from nnlint.lines import split_lines
from nnlint.page import Page
from nnlint.reporters import lsp

OPEN_PAGE = "nnlint.openPage"
FIX_ALL = "source.fixAll.nnlint"

_CONVERTER = get_converter()


class Text:
    """One text that an editor holds, and how its client counts columns."""

    def __init__(self, uri: str, text: str, codec: PositionCodec) -> None:
        self.uri = uri
        self.lines = split_lines(text, keepends=True)
        self._codec = codec

    def range(self, found: types.Range) -> types.Range:
        """From columns in characters to the client's."""
        return self._codec.range_to_client_units(self.lines, found)

    def of_edit(self, edit: Edit) -> types.TextEdit:
        start, end = (
            types.Position(place.row - 1, place.column - 1) for place in (edit.span.start, edit.span.end)
        )
        return types.TextEdit(self.range(types.Range(start, end)), edit.content)


def diagnostic(finding: Finding, texts: Sequence[Text]) -> types.Diagnostic:
    """`texts` are the parts of the document: one, or a notebook's cells in order."""
    # With no lines at hand the reporter counts columns in characters.
    made = _CONVERTER.structure(lsp.diagnostic(finding, {}), types.Diagnostic)
    made.range = _part(texts, finding.cell).range(made.range)
    for other, related in zip(made.related_information or (), finding.related, strict=True):
        if related.filename == finding.filename:
            part = _part(texts, related.cell)
            other.location = types.Location(part.uri, part.range(other.location.range))
    return made


def actions(
    document: Document, found: Sequence[Finding], everything: Sequence[Finding], texts: Sequence[Text]
) -> Iterator[types.CodeAction]:
    """What can be done about the findings at the cursor, and about all of the document's."""
    for finding in found:
        about = [diagnostic(finding, texts)]
        if finding.fix is not None:
            unsafe = finding.fix.applicability is Applicability.UNSAFE
            yield types.CodeAction(
                f"{finding.code}: {finding.fix.message}{' (unsafe: read the change)' if unsafe else ''}",
                types.CodeActionKind.QuickFix,
                about,
                is_preferred=not unsafe,
                edit=_workspace_edit([finding.fix], texts),
            )
        if ignoring := ignores.comments(document, [finding]):
            yield types.CodeAction(
                f"{finding.code}: ignore here",
                types.CodeActionKind.QuickFix,
                about,
                edit=_workspace_edit(ignoring, texts),
            )
        yield types.CodeAction(
            f"{finding.code}: open the rule's page",
            types.CodeActionKind.QuickFix,
            about,
            command=types.Command("Open the rule's page", OPEN_PAGE, arguments=[finding.url]),
        )
    safe = [
        finding.fix
        for finding in everything
        if finding.fix and finding.fix.applicability is Applicability.SAFE
    ]
    if safe:
        edit = _workspace_edit(fixes.compatible(safe), texts)
        yield types.CodeAction("nnlint: apply all safe fixes", FIX_ALL, edit=edit)


def hover(found: Sequence[Finding], pages: Mapping[str, Page], texts: Sequence[Text]) -> types.Hover | None:
    """The pages of the rules that speak here, as Markdown."""
    if not found:
        return None
    bodies = [
        pages[code].markdown for code in dict.fromkeys(finding.code for finding in found) if code in pages
    ]
    text = "\n\n---\n\n".join(bodies)
    content = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(content, diagnostic(found[0], texts).range)


def _part(texts: Sequence[Text], cell: int | None) -> Text:
    return texts[(cell or 1) - 1]


def _workspace_edit(chosen: Sequence[Fix], texts: Sequence[Text]) -> types.WorkspaceEdit:
    changes: dict[str, list[types.TextEdit]] = {}
    # One edit may belong to two fixes, such as an import that both need.
    for edit in dict.fromkeys(edit for fix in chosen for edit in fix.edits):
        part = _part(texts, edit.cell)
        changes.setdefault(part.uri, []).append(part.of_edit(edit))
    return types.WorkspaceEdit(changes)
