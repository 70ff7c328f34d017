"""See rules/rank-unaware-evaluation.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import argument
from nnlint.static.splits import LOADER, loaders_behind, training_loaders
from nnlint.static.values import Event, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel

SAMPLER = "torch.utils.data.DistributedSampler"
# Names in files that bring the processes' figures together, or leave that to a library.
COLLECTS = re.compile(
    r"reduce|gather|(?<!no_)sync(?!Batch|_batch)|torchmetrics|broadcast|accelerat|fabric|lightning|ignite"
    r"|^(?:prepare|send|recv)$|horovod|hvd|deepspeed",
    re.IGNORECASE,
)
IMPORT = re.compile(rb"^\s*(?:from|import)\s+([\w., ]+)", re.MULTILINE)


class RankUnawareEvaluation(Rule):
    words = ("DistributedSampler",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.shares import SHARES

        return (SHARES,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if not script.complete:
            return
        trained = {id(loader) for loader in training_loaders(script)}
        for evaluation in script.evaluations:
            home, forward = evaluation.home, evaluation.forward
            loaders = loaders_behind(home.iterable) or _comprehended(evaluation.forward)
            if home.trains or not loaders or not all(_divided(loader) for loader in loaders):
                continue
            if id(loaders[0]) in trained or home.frame.node is None or not _counts(script, forward.call):
                continue
            if _collects(script):  # asked last: it takes a walk over the whole file
                return
            loader, sampler = loaders[0], argument(loaders[0], "sampler")
            name = loader.name or "this loader"
            made = sampler.node if sampler is not None else None
            related = ((made, "divides the data"),) if made is not None and made is not loader.node else ()
            yield self.problem(
                loader.node if loader.node is not None else home.frame.node,
                f"`{name}` gives each process its own share of the data, and the figures that are computed "
                f"over it are nowhere brought together: each process reports, and decides on, the result "
                f"of a part; sum the counts with `torch.distributed.all_reduce`, or evaluate on one rank",
                related=related,
            )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.shares import SHARES, Shares

        trajectory = seen.trajectories.get(SHARES.name)
        shares = trajectory.measure(Shares) if trajectory is not None else None
        passes = shares.passes if shares is not None else ()
        if len(seen.ranks) < 2 or not passes or any(entry.together for entry in passes):
            return
        first = passes[0]
        yield Sighting(
            first.loader,
            f"each of the {len(seen.ranks)} processes evaluated its own share of this loader's data, and "
            "nothing was exchanged before training went on: each reports, and decides on, the result of a "
            "part; sum the counts with `torch.distributed.all_reduce`, or evaluate all data on one rank",
            related=((first.called, "evaluated here"),),
            evidence={"ranks": len(seen.ranks)},
        )


def _collects(script: ScriptModel) -> bool:
    """Whether the file may bring figures together: by what it imports, reads or calls, not what it says."""
    imported = (line.decode("utf-8", "replace") for line in IMPORT.findall(script.source.data))
    names = {name for line in imported for name in re.findall(r"\w+", line)}
    if "evaluate" in names:  # Hugging Face's figures are of all processes
        return True
    return any(COLLECTS.search(name) for name in names | script.reads.read | script.reads.called)


def _comprehended(forward: Event) -> list[Value]:
    """The loaders of `sum(… for x, y in loader)` around a forward."""
    frames = (frame for frame in forward.frame.chain() if frame.kind == "comprehension")
    return [loader for frame in frames for loader in loaders_behind(frame.value)]


def _divided(loader: Value) -> bool:
    """Whether a loader surely loads a process's own share."""
    sampler = argument(loader, "sampler") if loader.op == LOADER else None
    return sampler is not None and all(part.op == SAMPLER for part in sampler.alternatives())


def _counts(script: ScriptModel, output: Value) -> bool:
    """Whether the output is compared with the targets."""
    return id(output) in script.evaluations.judged
