"""One line a message, `kind<TAB>text`, through a pipe to whoever started the process."""

from __future__ import annotations

import contextlib
import os
import select


class Channel:
    """The writing end. Lines of forked processes are passed on whole."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def send(self, kind: str, text: str) -> None:
        """Send a message; a reader that is gone is no reason to fail."""
        self.pass_on(f"{kind}\t{text}".replace("\n", " ").encode(errors="backslashreplace"))

    def pass_on(self, line: bytes) -> None:
        """Send a line that a forked process has sent us."""
        data = line + b"\n"
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self.pipe, data) :]

    def abandoned(self) -> bool:
        """Whether nobody reads it any more."""
        poll = select.poll()
        poll.register(self.pipe, 0)
        return bool(poll.poll(0))

    def replace(self, pipe: int) -> None:
        """Send through another pipe from now on."""
        os.close(self.pipe)
        self.pipe = pipe

    def close(self) -> None:
        """Say nothing any more."""
        with contextlib.suppress(OSError):
            os.close(self.pipe)
