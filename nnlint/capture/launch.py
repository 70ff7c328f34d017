"""`python -m nnlint.capture.launch`: the child process. Shuts itself in, then runs the script."""

from __future__ import annotations

import contextlib
import multiprocessing.process
import os
import random
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nnlint.capture import script
from nnlint.capture.channel import Channel
from nnlint.capture.plan import Plan, from_json
from nnlint.capture.services import switch_off
from nnlint.capture.shelter import jail, ways

if TYPE_CHECKING:
    from nnlint.capture.host import Host

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
PLAN, PIPE = "NNLINT_PLAN", "NNLINT_PIPE"

# What torchrun sets in the environment of each process.
_RANKS = (
    "'LOCAL_RANK'",
    "'RANK'",
    "'WORLD_SIZE'",
    "environment variable RANK",
    "environment variable WORLD_SIZE",
)


def main() -> NoReturn:
    """Read what to do from the environment, and do it."""
    plan = from_json(Plan, os.environ.pop(PLAN))
    channel = Channel(int(os.environ.pop(PIPE)))
    jail.die_with_parent()
    if channel.abandoned():
        # nnlint has ended while this process began, which the kernel could not yet have told.
        os._exit(0)
    switch_off()
    request = plan.request
    if request.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    folders = (Path.cwd(), Path(request.target).resolve().parent) if not request.module else (Path.cwd(),)
    try:
        way, branch = ways.enter(request.shelter, folders, plan.memory // 2)
    except (ways.ShelterError, OSError) as error:
        channel.send("end", f"the script cannot be kept from changing files here: {error}")
        os._exit(0)
    channel.send("sheltered", way)
    _run(plan, channel, branch)


def _run(plan: Plan, channel: Channel, branch: Callable[[str], None]) -> NoReturn:
    try:
        from nnlint.capture.host import Host
    except ImportError as error:
        channel.send("end", f"torch cannot be imported ({error}): pip install 'nnlint[run]'")
        os._exit(0)
    seed(plan.seed)
    # `python -m nnlint.capture.launch` has put the working directory first; `python SCRIPT` does not.
    if sys.path and sys.path[0] in ("", str(Path.cwd())) and not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    if plan.request.trace:
        _trace(plan, channel)
    if plan.request.ranks:
        from nnlint.capture.ranks.gang import lead

        lead(plan, channel, branch)
    _note_processes(channel)
    play(Host(plan, channel, branch), lambda _: traceback.print_exc())


def play(host: Host, raised: Callable[[BaseException], None]) -> NoReturn:
    """Run the script, and tell the listener of then how it ended; `raised` hears first of what it raised."""
    why = "the script ended"
    try:
        script.run(host.plan.request)
    except script.ScriptError as error:
        host.channel.send("end", str(error))
        host.finish()
    except SystemExit as error:
        if error.code not in (None, 0):
            why = f"the script exited with status {error.code}"
    except BaseException as error:
        raised(error)
        why = f"the script raised {describe_error(error)}"
    _flush()
    host.watch.listener.ended(why)
    os._exit(0)


def _trace(plan: Plan, channel: Channel) -> NoReturn:
    """A model instead of a script."""
    from nnlint.graph.nodes import to_json
    from nnlint.graph.tracing import TraceError, trace

    try:
        channel.send("traced", to_json(trace(plan.request.target, plan.request.arguments)))
        channel.send("end", "done")
    except TraceError as error:
        channel.send("end", str(error))
    os._exit(0)


def describe_error(error: BaseException) -> str:
    """`ValueError: … (train.py:12)`, the innermost line in the user's files."""
    from nnlint.capture.watch import is_library

    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith("<") and not is_library(frame.filename):
            place = f" ({frame.filename}:{frame.lineno})"
    # Libraries write for a terminal: torch refuses an old pickle in bold letters.
    text = _STYLE.sub("", " ".join(f"{type(error).__name__}: {error}".split()))
    hint = ""
    if isinstance(error, (KeyError, ValueError, RuntimeError)) and any(name in text for name in _RANKS):
        hint = "; it expects torchrun: see --nproc-per-node"
    return f"{text[:300]}{place}{hint}"


def _note_processes(channel: Channel) -> None:
    """Tell the supervisor where the script starts processes of its own: training there is not seen."""
    from nnlint.capture.watch import user_place

    start = multiprocessing.process.BaseProcess.start

    def started(process: multiprocessing.process.BaseProcess) -> None:
        place = user_place()
        where = f" ({place.filename}:{place.row})" if place else ""
        channel.send("note", f"it has started processes of its own{where}, which nnlint does not examine")
        start(process)

    multiprocessing.process.BaseProcess.start = started  # type: ignore[assignment,method-assign]


def seed(number: int) -> None:
    """The same random start for every process of a run; a script that seeds itself is not affected."""
    import torch

    random.seed(number)
    torch.manual_seed(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


if __name__ == "__main__":
    main()
