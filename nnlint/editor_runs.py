"""`nnlint.run` in an editor: `nnlint run` on a saved script, in a process of its own, with progress."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from nnlint.finding import Finding, Tier

# Seconds between two looks at whether somebody has cancelled.
LOOK = 0.2


class Runs:
    """Runs scripts for one server."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    async def stop(self) -> None:
        """End what is running, and wait for it: pygls cannot shut down beside a request that ends."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def run(self, filename: str, arguments: Sequence[str]) -> list[Finding] | None:
        """What running the script shows in this file and reading it does not; None if nothing could be said.

        A run that is cancelled, or that fails, is told to the user in one line.
        """
        async with self._progress(f"nnlint run {Path(filename).name}") as cancelled:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "nnlint", "run", "--exit-zero", "--output-format", "json"),
                *(filename, *arguments),
                cwd=Path(filename).parent,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            stopped = False
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            try:
                ending = asyncio.ensure_future(process.communicate())
                while not ending.done():
                    await asyncio.wait([ending], timeout=LOOK)
                    if (cancelled() or self._stopping) and not stopped:
                        stopped = True
                        _end(process)
                output, errors = await ending
            finally:
                # The event loop cancels what goes on when the editor is gone.
                _end(process)
        if stopped:
            self._tell(types.MessageType.Info, "cancelled")
            return None
        try:
            report = json.loads(output)
        except ValueError:
            text = errors.decode(errors="replace").strip().splitlines()
            self._tell(types.MessageType.Error, text[-1] if text else f"status {process.returncode}")
            return None
        found = [Finding.from_dict(entry) for entry in report["findings"]]
        for entry in report["not_run"]:
            self._tell(types.MessageType.Warning, f"{entry['what']}: {entry['why']}")
        self._tell(types.MessageType.Info, f"{len(found)} findings in {Path(filename).name}")
        here = Path(filename).resolve()
        return [
            replace(finding, filename=filename)
            for finding in found
            if (here.parent / finding.filename).resolve() == here and finding.tier is not Tier.STATIC
        ]

    @contextlib.asynccontextmanager
    async def _progress(self, title: str) -> AsyncIterator[Callable[[], bool]]:
        """Shows that something goes on, where the editor can; tells whether somebody has cancelled it."""
        window = self._server.client_capabilities.window
        if not (window and window.work_done_progress):
            yield lambda: False
            return
        token = str(uuid.uuid4())
        progress = self._server.work_done_progress
        await progress.create_async(token)
        progress.begin(token, types.WorkDoneProgressBegin(title, cancellable=True))
        try:
            yield progress.tokens[token].cancelled
        finally:
            progress.end(token, types.WorkDoneProgressEnd())

    def _tell(self, kind: types.MessageType, text: str) -> None:
        self._server.window_show_message(types.ShowMessageParams(kind, f"nnlint run: {text}"))


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
