"""The options on how much work is done: by how many processes, on which files, on top of what is known."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nnlint.shard import Shard

if TYPE_CHECKING:
    from nnlint.cache import Cache
    from nnlint.config import Config

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard:
    if value is None:
        return Shard()
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", value)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"{value!r} is not I/N with I from 1 to N, as 2/5", ctx, param)
    return Shard(int(match[1]), int(match[2]))


def work(command: _Command) -> _Command:
    """--jobs, --shard, --no-cache and --cache-dir."""
    decorators = (
        click.option(
            "--jobs",
            "-j",
            type=click.IntRange(min=1),
            metavar="N",
            help="Look at many files with up to N processes.  [default: one a core]",
        ),
        click.option(
            "--shard",
            callback=_shard,
            metavar="I/N",
            help="Check the I-th of N shares of the files: N machines check all of them.",
        ),
        click.option(
            "--no-cache",
            is_flag=True,
            envvar="NNLINT_NO_CACHE",
            help="Look at every file anew, and remember nothing.",
        ),
        click.option(
            "--cache-dir",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="NNLINT_CACHE_DIR",
            metavar="FOLDER",
            help="Where to remember what was found in unchanged files.  [default: the user's cache folder]",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def cores() -> int:
    """How many processes can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_cache(settings: Config, no_cache: bool, folder: Path | None) -> AbstractContextManager[Cache | None]:
    """What earlier runs have found, and what this one finds; None if nobody wants to know."""
    if no_cache:
        return nullcontext()
    from nnlint.cache import Cache, default_folder
    from nnlint.identity import identity

    if folder is None:
        folder = settings.root / settings.cache_dir if settings.cache_dir else default_folder()
    return Cache(folder.absolute(), settings.root, identity())
