"""The language server, driven by a real client over its standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient
from support import nnlint

LOOP = """\
import torch
from torch import nn

model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in loader:
    loss = nn.functional.cross_entropy(model(x).softmax(-1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
# A weight that no float32 can hold the updates of; the script's own option is needed to run it.
STEP_LOST = """\
import argparse
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
rate = parser.parse_args().rate * 1e-12
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=rate)
for step in range(60):
    x = torch.randn(16, 4)
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), x.sum(1, keepdim=True)).backward()
    optimizer.step()
"""
BUG = 'note = "😀 漢字"; loss = nn.functional.cross_entropy(model(x).softmax(-1), y)'


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "nnlint", "server"]))
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        assert [entry.method for entry in params.registrations] == [
            types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
            types.WORKSPACE_DID_CHANGE_CONFIGURATION,
        ]

    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=pytest_lsp.client_capabilities("visual-studio-code"), root_uri=None
        )
    )
    yield
    await lsp_client.shutdown_session()


async def _opened(client: LanguageClient, path: Path, text: str) -> list[types.Diagnostic]:
    document = types.TextDocumentItem(path.as_uri(), "python", 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    return await _published(client, path.as_uri())


async def _published(client: LanguageClient, uri: str) -> list[types.Diagnostic]:
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    return list(client.diagnostics.get(uri, ()))


def _changed(client: LanguageClient, path: Path, version: int, text: str) -> None:
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version, path.as_uri()),
            [types.TextDocumentContentChangeWholeDocument(text)],
        )
    )


async def _actions(
    client: LanguageClient, path: Path, where: types.Range
) -> list[types.CodeAction | types.Command]:
    return list(
        await client.text_document_code_action_async(
            types.CodeActionParams(
                types.TextDocumentIdentifier(path.as_uri()), where, types.CodeActionContext(diagnostics=[])
            )
        )
        or ()
    )


def _edited(text: str, edits: Sequence[types.TextEdit]) -> str:
    """The text with edits applied as a client applies them: columns count UTF-16 units."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda edit: edit.range.start, reverse=True):
        start, end = edit.range.start, edit.range.end
        head = lines[start.line].encode("utf-16-le")[: 2 * start.character].decode("utf-16-le")
        tail = lines[end.line].encode("utf-16-le")[2 * end.character :].decode("utf-16-le")
        lines[start.line : end.line + 1] = [head + edit.new_text + tail]
    return "".join(lines)


async def test_what_is_typed_is_looked_at(client: LanguageClient, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    (found,) = await _opened(client, path, LOOP)
    assert (found.code, found.range.start.line, found.source) == ("NNL201", 6, "nnlint")
    for version in range(2, 6):
        _changed(client, path, version, LOOP.replace(".softmax(-1)", "") + "#" * version)
    assert await _published(client, path.as_uri()) == []


async def test_columns_are_right_after_emoji_and_chinese(client: LanguageClient, tmp_path: Path) -> None:
    text = LOOP.replace("loss = nn.functional.cross_entropy(model(x).softmax(-1), y)", BUG)
    (found,) = await _opened(client, tmp_path / "train.py", text)
    line = text.splitlines()[found.range.start.line].encode("utf-16-le")
    start, end = (2 * place.character for place in (found.range.start, found.range.end))
    assert line[start:end].decode("utf-16-le").startswith(("model(x).softmax", "nn.functional"))


async def test_fixes_ignores_and_pages_are_offered_where_the_cursor_is(
    client: LanguageClient, tmp_path: Path
) -> None:
    path = tmp_path / "train.py"
    text = LOOP.replace("loss.backward()", "total = loss; history.append(loss)\n    loss.backward()").replace(
        "for x, y in loader:", "history = []\nfor x, y in loader:"
    )
    found = await _opened(client, path, text)
    retained = next(entry for entry in found if entry.code == "NNL306")
    actions = await _actions(client, path, retained.range)
    titles = [action.title for action in actions]
    assert any(title.startswith("NNL306: ignore") for title in titles)
    assert any("open the rule's page" in title for title in titles)
    for action in actions:
        if not isinstance(action, types.CodeAction) or action.edit is None or not action.edit.changes:
            continue
        after = _edited(text, action.edit.changes[path.as_uri()])
        _changed(client, path, 9, after)
        left = [entry.code for entry in await _published(client, path.as_uri())]
        assert "NNL306" not in left, action.title
        _changed(client, path, 10, text)
        await _published(client, path.as_uri())


async def test_hovering_a_finding_shows_its_page(client: LanguageClient, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    (found,) = await _opened(client, path, LOOP)
    place = types.TextDocumentIdentifier(path.as_uri())
    hover = await client.text_document_hover_async(types.HoverParams(place, found.range.start))
    assert hover is not None
    assert isinstance(hover.contents, types.MarkupContent)
    assert "## Why this is bad" in hover.contents.value
    nothing = await client.text_document_hover_async(types.HoverParams(place, types.Position(0, 0)))
    assert nothing is None


async def test_settings_files_are_read_again_when_they_change(client: LanguageClient, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    assert len(await _opened(client, path, LOOP)) == 1
    settings = tmp_path / "nnlint.toml"
    for text, expected in (('ignore = ["NNL201"]', 0), ('ignroe = ["NNL201"]', 0), ("", 1)):
        settings.write_text(text)
        event = types.FileEvent(settings.as_uri(), types.FileChangeType.Changed)
        client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
        assert len(await _published(client, path.as_uri())) == expected
    assert any("did you mean `ignore`" in message.message for message in client.messages)


async def test_excluded_and_known_findings_are_not_shown(client: LanguageClient, tmp_path: Path) -> None:
    known = tmp_path / "known.py"
    known.write_text(LOOP)
    (tmp_path / "nnlint.toml").write_text('baseline = "known.json"\nexclude = ["old/"]')
    made = nnlint("baseline", "--output", "known.json", "known.py", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, b"")
    assert await _opened(client, known, LOOP) == []
    assert await _opened(client, tmp_path / "old" / "train.py", LOOP) == []
    assert len(await _opened(client, tmp_path / "train.py", LOOP)) == 1


async def test_each_workspace_folder_has_its_own_settings(client: LanguageClient, tmp_path: Path) -> None:
    names = ("one", "two", "elsewhere")
    folders = [types.WorkspaceFolder((tmp_path / name).as_uri(), name) for name in names[:2]]
    client.set_configuration({"nnlint": {"ignore": ["NNL201"]}}, scope_uri=folders[0].uri)
    client.set_configuration({"nnlint": {"select": ["NNL2"]}}, scope_uri=folders[1].uri)
    change = types.WorkspaceFoldersChangeEvent(added=folders, removed=[])
    client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(change))
    counts = [len(await _opened(client, tmp_path / name / "train.py", LOOP)) for name in names]
    assert counts == [0, 1, 1]
    # Null is all that a client says that wants to be asked.
    client.set_configuration({"nnlint": {"ignore": ["NNL201"]}})
    client.set_configuration({"nnlint": {}}, scope_uri=folders[0].uri)
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
    for _ in names:
        await _published(client, "")
    shown = [len(client.diagnostics[(tmp_path / name / "train.py").as_uri()]) for name in names]
    assert shown == [1, 1, 0]


async def test_a_broken_text_is_one_diagnostic_and_the_server_lives(
    client: LanguageClient, tmp_path: Path
) -> None:
    (found,) = await _opened(client, tmp_path / "broken.py", LOOP + "def (:\n")
    assert found.code == "NNL000"
    assert len(await _opened(client, tmp_path / "train.py", LOOP)) == 1


async def test_a_notebook_is_one_script_told_by_cell(client: LanguageClient, tmp_path: Path) -> None:
    uri = (tmp_path / "train.ipynb").as_uri()
    head, tail = LOOP.split("for x", 1)
    texts = ["%matplotlib inline\n" + head, "for x" + tail]
    cells = [f"{uri}#c{number}" for number in range(2)]
    client.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument(
                uri,
                "jupyter-notebook",
                1,
                [types.NotebookCell(types.NotebookCellKind.Code, cell) for cell in cells],
            ),
            [
                types.TextDocumentItem(cell, "python", 1, text)
                for cell, text in zip(cells, texts, strict=True)
            ],
        )
    )
    await _published(client, cells[0])
    await asyncio.sleep(0.5)
    assert not client.diagnostics.get(cells[0])
    (found,) = client.diagnostics[cells[1]]
    assert (found.code, found.range.start.line) == ("NNL201", 1)


@pytest.mark.slow
async def test_a_script_is_run_when_somebody_asks_with_progress(
    client: LanguageClient, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "train.py"
    text = STEP_LOST
    path.write_text(text, encoding="utf-8")
    # What the source shows of it is nothing.
    assert await _opened(client, path, text) == []
    given = types.ExecuteCommandParams("nnlint.run", [path.as_uri(), ["--rate", "0.1"]])
    await client.workspace_execute_command_async(given)
    found = list(client.diagnostics.get(path.as_uri(), ())) or await _published(client, path.as_uri())
    (reports,) = client.progress_reports.values()
    assert [type(entry).__name__ for entry in (reports[0], reports[-1])] == [
        "WorkDoneProgressBegin",
        "WorkDoneProgressEnd",
    ]
    assert "NNL319" in {diagnostic.code for diagnostic in found}


@pytest.mark.slow
async def test_a_run_that_is_cancelled_ends_and_shows_nothing(client: LanguageClient, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("import time, torch\nwhile True:\n    time.sleep(0.1)\n", encoding="utf-8")
    given = types.ExecuteCommandParams("nnlint.run", [path.as_uri()])
    running = asyncio.ensure_future(client.workspace_execute_command_async(given))
    await _until(lambda: bool(client.progress_reports))
    (token,) = client.progress_reports
    await asyncio.sleep(1)
    assert not running.done()
    client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    await asyncio.wait_for(running, 30)
    assert client.messages[-1].message == "nnlint run: cancelled"
    assert isinstance(client.progress_reports[token][-1], types.WorkDoneProgressEnd)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks through /proc")
@pytest.mark.parametrize("asked", [False, True])
async def test_no_run_outlives_an_editor_that_is_gone(asked: bool, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("import time, torch\nwhile True:\n    time.sleep(0.1)\n", encoding="utf-8")
    client = LanguageClient()
    await client.start_io(sys.executable, "-m", "nnlint", "server")
    await client.initialize_session(
        types.InitializeParams(capabilities=types.ClientCapabilities(), root_uri=None)
    )
    given = types.ExecuteCommandParams("nnlint.run", [path.as_uri()])
    running = asyncio.ensure_future(client.workspace_execute_command_async(given))
    await _until(lambda: bool(_naming(path)))
    runs = _naming(path)
    await asyncio.sleep(1)
    server = client._server
    assert server is not None
    assert server.stdin is not None
    if asked:
        await client.shutdown_session()
    else:
        server.stdin.close()
    await asyncio.wait_for(server.wait(), 30)
    # Before its own budget of a minute ends it.
    await _until(lambda: not runs & _naming(path), seconds=40)
    running.cancel()


async def _until(holds: Callable[[], bool], seconds: int = 120) -> None:
    for _ in range(10 * seconds):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise TimeoutError


def _naming(path: Path) -> set[int]:
    """The processes whose command line names the file."""
    found = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if str(path).encode() in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
    return found
