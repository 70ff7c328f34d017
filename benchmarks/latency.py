"""From a keystroke to the diagnostics that it leads to, through a real client and `nnlint server`.

    python benchmarks/latency.py                    a script of 1,500 lines, 60 keystrokes
    python benchmarks/latency.py --lines 400        of another length
    python benchmarks/latency.py --quick            few keystrokes, no results file

The script is made of the clean fixtures, one bug planted. The server waits for a pause in the typing first;
this time is stated and taken off. Beside it, in the same run: the server's own work in one process (no
protocol), and the floor, libcst's bare parse of the same text.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import libcst
from lsprotocol import types
from measure import keep, machine, sized
from pygls.lsp.client import LanguageClient

import nnlint
from nnlint.engine import Linter
from nnlint.server import PAUSE

ROOT = Path(__file__).resolve().parent.parent
BUG = "import torch\nplanted = torch.softmax(torch.ones(3))\n"
TIMEOUT = 60.0


def script(lines: int) -> str:
    """Whole training scripts one after the other, up to about so many lines."""
    text, futures = BUG, "from __future__ import annotations\n"
    for path in sorted((ROOT / "fixtures" / "clean").glob("*.py")):
        own = path.read_text(encoding="utf-8").replace(futures, "")
        if text.count("\n") + own.count("\n") <= lines:
            text += own
    return text


class Client(LanguageClient):
    """Hears of diagnostics, by the version of the document that they are about."""

    def __init__(self) -> None:
        super().__init__("benchmark", "1")
        self.heard: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.heard.put_nowait(params)

    async def until(self, version: int) -> types.PublishDiagnosticsParams:
        """The diagnostics of that version of the document."""
        while True:
            params = await asyncio.wait_for(self.heard.get(), TIMEOUT)
            if params.version == version:
                return params


async def keystrokes(text: str, count: int, path: Path) -> list[float]:
    """Seconds from each keystroke (a letter in a comment, all over the text) to its diagnostics."""
    client = Client()
    await client.start_io(sys.executable, "-m", "nnlint", "server")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    item = types.TextDocumentItem(path.as_uri(), "python", 0, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    found = await client.until(0)
    if len(found.diagnostics) != 1:
        raise click.ClickException(f"expected the planted bug, not {found.diagnostics}")
    rows = text.count("\n")
    seconds = []
    for version in range(1, count + 1):
        place = types.Position(2 + (version * 997) % (rows - 2), 0)
        change = types.TextDocumentContentChangePartial(types.Range(place, place), "# x\n")
        document = types.VersionedTextDocumentIdentifier(version, path.as_uri())
        started = time.perf_counter()
        client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        await client.until(version)
        seconds.append(time.perf_counter() - started - PAUSE)
        await asyncio.sleep(0.02)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]
    return seconds


def repeated(count: int, work: Any) -> list[float]:
    """Seconds of each of so many turns."""
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def figures(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50": round(statistics.median(ordered), 4),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 4),
        "least": round(ordered[0], 4),
    }


@click.command()
@click.option("--lines", type=int, default=1500, show_default=True)
@click.option("--keystrokes", "count", type=int, default=60, show_default=True)
@sized
def main(lines: int, count: int, quick: bool, output: Path | None) -> None:
    """Measure the language server."""
    count = 8 if quick else count
    text = script(lines)
    linter = Linter.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.py"
        path.write_text(text, encoding="utf-8")
        rows = {
            "keystroke to diagnostics": asyncio.run(keystrokes(text, count, path)),
            "the linter alone": repeated(count // 2, lambda: linter.check_bytes(text.encode(), str(path))),
            "libcst parse": repeated(count // 2, lambda: libcst.parse_module(text)),
        }
    floor = statistics.median(rows["libcst parse"])
    told = {name: figures(seconds) for name, seconds in rows.items()}
    print(f"{text.count(chr(10))} lines, {count} keystrokes; the pause of {PAUSE} s is taken off")
    for name, row in told.items():
        ratio = row["p50"] / floor
        print(f"{name:26} p50 {row['p50']:.3f} s  p95 {row['p95']:.3f} s  {ratio:5.2f} x libcst parse")
    content = {
        "nnlint": nnlint.__version__,
        "machine": machine(),
        "lines": text.count("\n"),
        "pause": PAUSE,
        "seconds": told,
    }
    keep("latency", content, quick, output)


if __name__ == "__main__":
    main()
