"""The language server: what the engine finds, told to an editor while somebody types. Decides nothing.

It reads what the editor holds and never runs it; only the command `nnlint.run`, which somebody has to give,
runs a script, in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

import nnlint
from nnlint import documents, editor, registry
from nnlint.baseline import BaselineError
from nnlint.cells import Cells
from nnlint.config import ConfigError, find_config
from nnlint.documents import Document, Script
from nnlint.editor_runs import Runs
from nnlint.editor_settings import SECTION, EditorSettings
from nnlint.engine import Linter
from nnlint.finding import Finding, NotRun
from nnlint.page import Page
from nnlint.registry import RegistryError, SelectorError
from nnlint.static.source import SourceError

RUN = "nnlint.run"
SETTINGS_FILES = ("pyproject.toml", "nnlint.toml")
# Seconds without a keystroke before a text is looked at.
PAUSE = 0.15


@dataclass(slots=True)
class Open:
    """A text document or a notebook that the editor holds: its parts by uri, and what was found in them."""

    # The uri of the file, and of each part: itself, or a notebook's cells in order.
    uri: str
    parts: list[str]
    texts: dict[str, str] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    # What `nnlint.run` has seen, until the text changes.
    seen_running: list[Finding] = field(default_factory=list)
    waiting: asyncio.Task[None] | None = None

    @property
    def filename(self) -> str:
        return to_fs_path(self.uri) or self.uri

    def read(self) -> Document | None:
        """What it was when it was last looked at; None where it is no Python."""
        if self.parts != [self.uri]:
            return Script(Cells.of(enumerate(self.texts.values(), 1)), self.filename)
        with contextlib.suppress(SourceError):
            return documents.read(self.texts.get(self.uri, "").encode(errors="replace"), self.filename)
        return None


class Server(LanguageServer):
    """Keeps one linter for each settings file, and what was found in each open document."""

    def __init__(self) -> None:
        cells = types.NotebookDocumentFilterWithCells(
            cells=[types.NotebookCellLanguage(language="python")], notebook="*"
        )
        super().__init__(
            "nnlint",
            nnlint.__version__,
            notebook_document_sync=types.NotebookDocumentSyncOptions([cells], save=True),
        )
        self.open: dict[str, Open] = {}
        self.runs = Runs(self)
        # What the editor has sent, and its answers by the uri of a workspace folder ("": for the rest).
        self._sent = EditorSettings()
        self._answered: dict[str, EditorSettings] = {}
        self._linters: dict[tuple[Path | None, EditorSettings], Linter] = {}
        self._complaint = ""
        self._failures: set[str] = set()
        # One at a time: reading is pure Python, and two would only take turns.
        self._reader = ThreadPoolExecutor(1)

    def choose(self, given: Any) -> None:
        """Take the settings that an editor has sent, if it has, and look at every document again."""
        if (settings := EditorSettings.of(given)) is not None:
            self._sent = settings
            self.reload()

    async def ask(self) -> None:
        """Ask the editor for its settings, folder by folder, and look at every document again."""
        workspace = self.client_capabilities.workspace
        if not (workspace and workspace.configuration):
            return
        scopes = ["", *self.workspace.folders]
        items = [types.ConfigurationItem(scope or None, SECTION) for scope in scopes]
        try:
            answers = await self.workspace_configuration_async(types.ConfigurationParams(items))
        except Exception:  # an editor that says it can and cannot: what it sent at its start holds
            return
        asked = {
            scope: settings
            for scope, given in zip(scopes, answers, strict=False)
            if (settings := EditorSettings.of(given)) is not None
        }
        if asked != self._answered:
            self._answered = asked
            self.reload()

    def _settings_for(self, uri: str) -> EditorSettings:
        """Those of the innermost workspace folder that a document is in."""
        scopes = [scope for scope in self._answered if not scope or uri.startswith(f"{scope.rstrip('/')}/")]
        return self._answered[max(scopes, key=len)] if scopes else self._sent

    def reload(self) -> None:
        """Read the settings files anew, and look at every open document again."""
        self._linters.clear()
        self._complaint = ""
        for document in self.open.values():
            self.look(document, pause=0)

    def holder(self, uri: str) -> Open | None:
        """The open document that a uri is, or that a cell belongs to."""
        return self.open.get(uri) or next(
            (document for document in self.open.values() if uri in document.parts), None
        )

    def look(self, document: Open, pause: float = PAUSE) -> None:
        """Look at a document once nobody has typed for so long."""
        if document.waiting is not None:
            document.waiting.cancel()
        document.waiting = asyncio.ensure_future(self._look(document, pause))

    async def _look(self, document: Open, pause: float) -> None:
        await asyncio.sleep(pause)
        texts = {uri: self.workspace.get_text_document(uri).source for uri in document.parts}
        loop = asyncio.get_running_loop()
        findings = await loop.run_in_executor(self._reader, self._read, document, texts)
        document.texts = texts
        document.findings = findings
        for uri in document.parts:
            self.show(document, uri)

    def _read(self, document: Open, texts: dict[str, str]) -> dict[str, list[Finding]]:
        """What the engine finds, by the part it stands in; an open document is never the file on the disk."""
        filename = document.filename
        linter = self._linter(Path(filename), self._settings_for(document.uri))
        by_part: dict[str, list[Finding]] = {uri: [] for uri in document.parts}
        if linter is None or linter.excludes(filename):
            return by_part
        if document.parts == [document.uri]:
            result = linter.check_bytes(
                texts[document.uri].encode(errors="replace"), filename, document.seen_running
            )
            by_part[document.uri] = list(result.findings)
            self._say_failures(result.not_run)
            return by_part
        script = Script(Cells.of(enumerate(texts.values(), 1)), filename)
        result = linter.check_document(script, filename, document.seen_running)
        self._say_failures(result.not_run)
        for finding in result.findings:
            number = finding.cell or 1
            by_part[document.parts[number - 1]].append(finding)
        return by_part

    def _say_failures(self, entries: Iterable[NotRun]) -> None:
        """Each rule that failed in a file is said once, not at each keystroke."""
        for entry in entries:
            text = f"nnlint: {entry.filename}: {entry.what}: {entry.why}"
            if text not in self._failures:
                self._failures.add(text)
                self.window_show_message(types.ShowMessageParams(types.MessageType.Error, text))

    def _linter(self, path: Path, settings: EditorSettings) -> Linter | None:
        """The linter for a file; a configuration that cannot be followed is said once."""
        try:
            config = find_config(path.parent)
            key = (config.path, settings)
            if key not in self._linters:
                linter = Linter.load(settings.over(config))
                linter.source_rules  # noqa: B018 - imported here, where a rule that cannot be is said in one line
                self._linters[key] = linter
            return self._linters[key]
        except (BaselineError, ConfigError, RegistryError, SelectorError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                message = types.ShowMessageParams(types.MessageType.Error, f"nnlint: {error}")
                self.window_show_message(message)
            return None

    def show(self, document: Open, uri: str) -> None:
        """Publish what was found in one part."""
        texts = self.texts(document)
        found = [editor.diagnostic(finding, texts) for finding in document.findings.get(uri, ())]
        version = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    def texts(self, document: Open) -> list[editor.Text]:
        """The parts as they were when they were last looked at."""
        codec = self.workspace.position_codec
        return [editor.Text(uri, document.texts.get(uri, ""), codec) for uri in document.parts]

    def found_at(self, document: Open, uri: str, where: types.Range) -> list[Finding]:
        """The findings of a part that touch a range."""
        texts = self.texts(document)
        return [
            finding
            for finding in document.findings.get(uri, ())
            if (own := editor.diagnostic(finding, texts).range).start <= where.end and where.start <= own.end
        ]

    def pages(self) -> dict[str, Page]:
        """The rule book, by code."""
        return {page.code: page for page in registry.pages()}

    def hold_notebook(self, uri: str) -> None:
        """Take a notebook's Python cells as the editor has them now, and look at them."""
        notebook = self.workspace.get_notebook_document(notebook_uri=uri)
        cells = notebook.cells if notebook else []
        parts = [cell.document for cell in cells if cell.kind == types.NotebookCellKind.Code]
        before = self.open.get(uri)
        document = self.open[uri] = before or Open(uri, parts)
        for gone in set(document.parts) - set(parts):
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(gone, []))
        document.parts = parts
        document.seen_running = []
        self.look(document, pause=PAUSE if before else 0)

    def close(self, uri: str) -> None:
        """Forget a document; an editor keeps no diagnostics of what it has closed."""
        document = self.open.pop(uri, None)
        if document is None:
            return
        if document.waiting is not None:
            document.waiting.cancel()
        for part in document.parts:
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(part, []))

    async def run(self, uri: str, arguments: Sequence[str]) -> None:
        """`nnlint run` on a document as it is saved; its findings join the others until the text changes."""
        document = self.holder(uri)
        found = await self.runs.run(document.filename if document else to_fs_path(uri) or uri, arguments)
        if document is not None and found is not None:
            document.seen_running = found
            self.look(document, pause=0)


def make_server() -> Server:
    """The server with everything that it answers to."""
    server = Server()

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        wanted = []
        capabilities = server.client_capabilities.workspace
        watching = capabilities and capabilities.did_change_watched_files
        if watching and watching.dynamic_registration:
            watched = [types.FileSystemWatcher(f"**/{name}") for name in SETTINGS_FILES]
            options = types.DidChangeWatchedFilesRegistrationOptions(watched)
            wanted.append(types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options))
        telling = capabilities and capabilities.did_change_configuration
        if telling and telling.dynamic_registration:
            section = types.DidChangeConfigurationRegistrationOptions(SECTION)
            wanted.append(types.Registration("own", types.WORKSPACE_DID_CHANGE_CONFIGURATION, section))
        if wanted:
            server.client_register_capability(types.RegistrationParams(wanted))
        await server.ask()

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.choose(params.initialization_options or {})

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        uri = params.text_document.uri
        if params.text_document.language_id == "python":
            server.open[uri] = Open(uri, [uri])
            server.look(server.open[uri], pause=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        if document := server.holder(params.text_document.uri):
            document.seen_running = []
            server.look(document)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        if document := server.holder(params.text_document.uri):
            server.look(document, pause=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        server.close(params.text_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    @server.feature(types.NOTEBOOK_DOCUMENT_DID_SAVE)
    def notebook(
        params: types.DidOpenNotebookDocumentParams
        | types.DidChangeNotebookDocumentParams
        | types.DidSaveNotebookDocumentParams,
    ) -> None:
        server.hold_notebook(params.notebook_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def notebook_closed(params: types.DidCloseNotebookDocumentParams) -> None:
        server.close(params.notebook_document.uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: types.DidChangeConfigurationParams) -> None:
        server.choose(params.settings)
        await server.ask()

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def folders(_: types.DidChangeWorkspaceFoldersParams) -> None:
        await server.ask()

    @server.feature(types.SHUTDOWN)
    async def shutdown(_: None) -> None:
        await server.runs.stop()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(_: types.DidChangeWatchedFilesParams) -> None:
        server.reload()

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions([types.CodeActionKind.QuickFix, editor.FIX_ALL]),
    )
    def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        uri = params.text_document.uri
        document = server.holder(uri)
        if document is None:
            return []
        found = server.found_at(document, uri, params.range)
        everything = [finding for part in document.findings.values() for finding in part]
        wanted = params.context.only
        read = document.read()
        if read is None:
            return []
        return [
            action
            for action in editor.actions(read, found, everything, server.texts(document))
            if wanted is None or any(_is_kind(action.kind, kind) for kind in wanted)
        ]

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        uri = params.text_document.uri
        document = server.holder(uri)
        if document is None:
            return None
        found = server.found_at(document, uri, types.Range(params.position, params.position))
        return editor.hover(found, server.pages(), server.texts(document))

    @server.command(editor.OPEN_PAGE)
    def open_page(url: str) -> None:
        server.window_show_document(types.ShowDocumentParams(url, external=True))

    @server.command(RUN)
    async def run(uri: str, *arguments: list[str]) -> None:
        # The script's own arguments may be left out, which pygls grants to `*` alone.
        await server.run(uri, arguments[0] if arguments else ())

    return server


def _is_kind(kind: str | None, wanted: str) -> bool:
    """Whether a code action is of a kind, or of one below it (`source.fixAll` asks for ours, too)."""
    own, asked = (str(getattr(name, "value", name)) for name in (kind, wanted))
    return own == asked or own.startswith(f"{asked}.")
