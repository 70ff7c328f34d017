"""`nnlint server`: starts the language server on standard input and output."""

from __future__ import annotations

import os

import click

from nnlint.options import fail


@click.command(short_help="Run the language server, for editors.")
def server() -> None:
    """Speak the Language Server Protocol on standard input and output, until the editor ends it.

    An editor starts this; README.md says how for VS Code, Neovim, Helix, Emacs and PyCharm.
    """
    try:
        from nnlint.server import make_server
    except ImportError as error:
        fail(f"the language server needs pygls ({error}): pip install 'nnlint[server]'")
    # Copies, since pygls closes what it is given, and whatever prints must not speak into the protocol.
    reading, writing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    make_server().start_io(reading, writing)
