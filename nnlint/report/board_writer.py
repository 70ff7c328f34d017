"""The process that writes for TensorBoard: `python -m nnlint.report.board_writer FOLDER < runs.json`."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Write the runs on standard input, as nnlint.report.board has put them together, into the folder."""
    # Both import torch, and this process alone may.
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(sys.argv[1])
    for run in json.load(sys.stdin):
        with SummaryWriter(str(folder / run["name"])) as writer:
            _write(writer, run)


def _write(writer: Any, run: dict[str, Any]) -> None:
    for curve in run["scalars"]:
        for step, value in zip(curve["steps"], curve["values"], strict=True):
            writer.add_scalar(curve["tag"], value, step)
    for spread in run["spreads"]:
        _histogram(writer, spread)
    for images in run["images"]:
        writer.add_images(images["tag"], _pixels(images), 0, dataformats="NHWC")
    if run["graph"]:
        _graph(writer, run["graph"])


def _histogram(writer: Any, spread: dict[str, Any]) -> None:
    """From counts in bins of equal width: the sums are those of the middles of the bins."""
    low, high, counts = spread["low"], spread["high"], spread["counts"]
    width = (high - low) / len(counts)
    middles = [low + (at + 0.5) * width for at in range(len(counts))]
    writer.add_histogram_raw(
        spread["tag"],
        min=low,
        max=high,
        num=sum(counts),
        sum=sum(count * middle for count, middle in zip(counts, middles, strict=True)),
        sum_squares=sum(count * middle**2 for count, middle in zip(counts, middles, strict=True)),
        bucket_limits=[low + (at + 1) * width for at in range(len(counts))],
        bucket_counts=counts,
        global_step=spread["step"],
    )


def _pixels(images: dict[str, Any]) -> Any:
    """uint8 [samples, height, width, channels]."""
    import numpy as np

    shape = (len(images["data"]), images["height"], images["width"], images["channels"])
    joined = b"".join(base64.b64decode(data) for data in images["data"])
    return np.frombuffer(joined, np.uint8).reshape(shape)


def _graph(writer: Any, operations: list[dict[str, Any]]) -> None:
    """SummaryWriter.add_graph traces a model anew; this one was recorded, with the loss and its own lines."""
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.config_pb2 import RunMetadata
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    nodes = []
    for operation in operations:
        shapes = [
            TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
            for shape in operation["shapes"]
        ]
        attributes = {
            "_output_shapes": AttrValue(list=AttrValue.ListValue(shape=shapes)),
            "line": AttrValue(s=operation["place"].encode()),
        }
        nodes.append(
            NodeDef(name=operation["name"], op=operation["op"], input=operation["inputs"], attr=attributes)
        )
    graph = GraphDef(node=nodes, versions=VersionDef(producer=22))
    stats = RunMetadata(step_stats=StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0")]))
    writer.file_writer.add_graph((graph, stats))


if __name__ == "__main__":
    main()
