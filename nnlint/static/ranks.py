"""A script that runs as several processes: what is replicated, and what differs from rank to rank."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nnlint.static.arguments import argument, surely_absent
from nnlint.static.splits import dataset_of
from nnlint.static.state import roots
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

REPLICAS = frozenset({
    "torch.nn.parallel.DistributedDataParallel", "torch.distributed.fsdp.FullyShardedDataParallel",
    "apex.parallel.DistributedDataParallel",
})  # fmt: skip
SHARDS = ("torch.distributed.fsdp.fully_shard", "torch.distributed._composable.fsdp.fully_shard")
STARTS = ("torch.distributed.init_process_group",)
SPAWNS = ("torch.multiprocessing.spawn", "torch.multiprocessing.Process", "multiprocessing.Process")

# Words of files that share the data out by rank in some way.
DIVIDES = re.compile(
    rb"Sampler|(?<!fully_)shard(?!ing)|by_node|by_rank|\[\s*\w*rank\s*:|rank\s*[%*]|[%*]\s*\w*rank|Subset|\.prepare\("
    rb"|[Ff]abric|split_\w*(?:by|node|rank|data)"
)
# Ranks that work on different parts of one model must see the same samples.
MODEL_PARALLEL = re.compile(
    rb"parallelize_module|tensor_parallel|model_parallel|pipeline_parallel|sequence_parallel|context_parallel"
    rb"|[Dd]evice_?[Mm]esh|\btp_|_tp\b|\bPipe\b"
)
_RANK = re.compile(
    r"rank|world|shard|by_node|process_(?:index|id)|between_processes|(?:^|[._])(?:gpu|proc|node)(?:_?id)?s?$",
    re.IGNORECASE,
)
_DEVICE = frozenset({"to", "cuda", "type", "pin_memory"})


def is_replica(module: Value | None, script: ScriptModel) -> bool:
    """Whether a module is, wherever the script runs as several processes, one of several copies."""
    if module is None:
        return False
    wrapped = [part for part in module.alternatives() if part.op in REPLICAS]
    if wrapped:
        return len(wrapped) == len(module.alternatives()) or any(True for _ in script.calls_of(*STARTS))
    here = {id(root) for root in roots(module)}
    sharded = (call.args[0] for call in script.calls_of(*SHARDS) if call.args)
    return any(id(root) in here for given in sharded for root in roots(given))


def behind(value: Value, stop: Callable[[Value], bool] | None = None) -> Iterator[Value]:
    """It, what it was computed from, and what the methods were called on; not the devices that it went to."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if stop is not None and stop(current):
            continue
        if current.op in _DEVICE:
            stack.extend(current.args[:1])
        else:
            stack.extend(part for name, part in current.kwargs.items() if name != "device")
            stack.extend((*current.alts, *current.args))
        stack.extend(part for part in (current.result, current.receiver) if part is not None)


def differs_by_rank(value: Value) -> bool:
    """Whether a value may differ from rank to rank, other than by the device that it is on."""
    return any(
        _RANK.search(part.name)
        or _RANK.search(part.op)
        or (isinstance(part.const, str) and _RANK.search(part.const) is not None)
        for part in behind(value)
    )


def spawns(script: ScriptModel) -> bool:
    """Whether the file starts its processes itself, so that all but one of their arguments are the same."""
    return any(True for _ in script.calls_of(*SPAWNS))


def draws_from_all(loader: Value) -> bool:
    """Whether a loader surely draws from all of a data set that is the same on every rank."""
    for name in ("sampler", "batch_sampler"):
        given = argument(loader, name)
        if given is not None and not given.is_const(None):
            return False
    dataset = dataset_of(loader)
    if dataset is None or dataset.kind is not Kind.DATASET or dataset.alts or not surely_absent(loader, "**"):
        return False
    if dataset.cls is not None and (
        dataset.cls.method("__getitem__") is None or dataset.cls.method("__iter__")
    ):
        return False
    return dataset.cls is not None or dataset.op.startswith(
        ("torchvision.datasets.", "torch.utils.data.TensorDataset")
    )
