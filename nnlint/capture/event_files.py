"""Writers of TensorBoard's files: in a forked process the thread that writes for them is gone."""

from __future__ import annotations

import sys

# Module, class, and the methods that would fill its queue, or wait until somebody has emptied it.
_WRITERS = (
    ("tensorboard.summary.writer.event_file_writer", "_AsyncWriter", ("write", "flush", "close")),
    ("tensorboardX.event_file_writer", "EventFileWriter", ("add_event", "flush", "close")),
)


def silence_writers() -> None:
    """Make them take what they are given and do nothing: what a forked process writes is thrown away."""
    for module, name, methods in _WRITERS:
        kind = getattr(sys.modules.get(module), name, None)
        for method in methods if kind is not None else ():
            setattr(kind, method, lambda *_, **__: None)
