"""Every layer and loss of torch.nn: its operators have rules, and the twin does not contradict them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from twin import Case, contradictions, moved
from zoo import Body, N, case

pytestmark = pytest.mark.filterwarnings("ignore")

Makes = Callable[[], torch.Tensor]


def _numbers(*shape: int) -> Makes:
    return lambda: torch.rand(N, *shape) + 0.1


def _classes(count: int, *shape: int) -> Makes:
    return lambda: torch.randint(0, count, (N, *shape))


def _signs(*shape: int) -> Makes:
    return lambda: torch.randint(0, 2, (N, *shape)) * 2.0 - 1


ROWS, LINES, IMAGES, VOLUMES = (_numbers(6), _numbers(4, 8), _numbers(4, 8, 8), _numbers(4, 4, 4, 4))
BY_RANK = {"1d": LINES, "2d": IMAGES, "3d": VOLUMES}
# Arguments of the constructor, where there must be some.
GIVEN: dict[str, tuple[Any, ...]] = {
    **{f"{kind}{rank}": (2,) for kind in ("AvgPool", "MaxPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
       for rank in BY_RANK},
    **{f"{kind}Pad{rank}": (1,) for kind in ("Circular", "Reflection", "Replication", "Zero")
       for rank in BY_RANK},
    **{f"ConstantPad{rank}": (1, 2.0) for rank in BY_RANK},
    **{f"{kind}{rank}": (4, 4, 2) for kind in ("Conv", "ConvTranspose") for rank in BY_RANK},
    **{f"{kind}{rank}": (4,) for kind in ("BatchNorm", "InstanceNorm") for rank in BY_RANK},
    **{f"Lazy{kind}{rank}": (4, 2) for kind in ("Conv", "ConvTranspose") for rank in BY_RANK},
    **{f"LPPool{rank}": (2, 2) for rank in BY_RANK},
    **{f"FractionalMaxPool{rank}": (2,) for rank in ("2d", "3d")},
    "ChannelShuffle": (2,), "CrossMapLRN2d": (2,), "Embedding": (9, 4), "EmbeddingBag": (9, 4),
    "GRU": (8, 3, 2, True, True), "LSTM": (8, 3, 2, True, True), "RNN": (8, 3, 2, "tanh", True, True),
    "GRUCell": (6, 3), "LSTMCell": (6, 3), "RNNCell": (6, 3), "GroupNorm": (2, 4), "LayerNorm": (6,),
    "LazyLinear": (3,), "Linear": (6, 3), "LocalResponseNorm": (2,), "MultiheadAttention": (8, 2, 0.1),
    "PixelShuffle": (2,), "PixelUnshuffle": (2,), "RMSNorm": (6,), "Threshold": (0.5, 0.1),
    "TransformerDecoderLayer": (8, 2, 16), "TransformerEncoderLayer": (8, 2, 16), "SyncBatchNorm": (4,),
    "Transformer": (8, 2, 1, 1, 16), "Unflatten": (1, (2, 3)), "Unfold": (2,), "Fold": ((3, 3), (2, 2)),
    "Upsample": (None, 2), "UpsamplingBilinear2d": (None, 2), "UpsamplingNearest2d": (None, 2),
    "Bilinear": (6, 6, 3), "AdaptiveLogSoftmaxWithLoss": (6, 9, [3, 6]), "LinearCrossEntropyLoss": (6, 3),
    "Softmax": (1,), "LogSoftmax": (1,), "Softmin": (1,), "GLU": (1,),
}  # fmt: skip
# What is put in, where it is not one tensor of numbers of the rank that the name has.
TAKEN: dict[str, tuple[Makes, ...]] = {
    "Bilinear": (ROWS, ROWS), "CosineSimilarity": (ROWS, ROWS), "PairwiseDistance": (ROWS, ROWS),
    "Embedding": (_classes(9, 6),), "EmbeddingBag": (_classes(9, 6),), "Fold": (_numbers(4, 4),),
    "Unfold": (IMAGES,), "GroupNorm": (IMAGES,), "LocalResponseNorm": (IMAGES,), "ChannelShuffle": (IMAGES,),
    "PixelShuffle": (IMAGES,), "PixelUnshuffle": (IMAGES,), "Upsample": (IMAGES,), "SyncBatchNorm": (IMAGES,),
    "GRU": (LINES,), "LSTM": (LINES,), "RNN": (LINES,), "TransformerEncoderLayer": (LINES,),
    "MultiheadAttention": (LINES, LINES, LINES), "TransformerDecoderLayer": (LINES, LINES),
    "Transformer": (LINES, LINES),
    "AdaptiveLogSoftmaxWithLoss": (ROWS, _classes(9)), "LinearCrossEntropyLoss": (ROWS, _classes(3)),
    "CrossEntropyLoss": (ROWS, _classes(6)), "NLLLoss": (ROWS, _classes(6)),
    "NLLLoss2d": (IMAGES, _classes(4, 8, 8)),
    "MultiMarginLoss": (ROWS, _classes(6)), "MultiLabelMarginLoss": (ROWS, _classes(6, 6)),
    "MultiLabelSoftMarginLoss": (ROWS, _numbers(6)), "SoftMarginLoss": (ROWS, _signs(6)),
    "HingeEmbeddingLoss": (ROWS, _signs(6)), "MarginRankingLoss": (_numbers(), _numbers(), _signs()),
    "CosineEmbeddingLoss": (ROWS, ROWS, _signs()), "GaussianNLLLoss": (ROWS, ROWS, ROWS),
    "TripletMarginLoss": (ROWS, ROWS, ROWS), "TripletMarginWithDistanceLoss": (ROWS, ROWS, ROWS),
}  # fmt: skip
NAMED: dict[str, dict[str, Any]] = {
    "MultiheadAttention": {"batch_first": True}, "TransformerEncoderLayer": {"batch_first": True},
    "TransformerDecoderLayer": {"batch_first": True}, "Transformer": {"batch_first": True},
    "FractionalMaxPool2d": {"output_size": 3}, "FractionalMaxPool3d": {"output_size": 2},
}  # fmt: skip
# Frames for other modules, what wraps one, and what is put to the test below.
OTHERS = frozenset({
    "Container", "DataParallel", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList",
    "RNNBase", "RNNCellBase", "Sequential", "TransformerDecoder", "TransformerEncoder",
    "CTCLoss", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
})  # fmt: skip
# It writes into memory that it has resized, and says so little of it that a part is not known on the way.
UNKNOWN = {"CrossMapLRN2d": ["as_strided_scatter"]}
LAYERS = sorted(
    name
    for name, found in vars(nn).items()
    if isinstance(found, type) and issubclass(found, nn.Module) and name not in OTHERS
)


def _made(name: str, training: bool) -> Case:
    given, named = GIVEN.get(name, ()), dict(NAMED.get(name, {}))
    inputs = TAKEN.get(name) or ((ROWS, _numbers(6)) if name.endswith("Loss") else None)
    rank = next((rank for rank in BY_RANK if name.endswith(rank)), None)
    taken = [make() for make in inputs or (BY_RANK[rank] if rank else ROWS,)]
    if "reduction" in inspect.signature(getattr(nn, name)).parameters:
        named["reduction"] = "none"
    layer = getattr(nn, name)(*given, **named)
    if name.startswith("Lazy"):
        layer(*taken)
    if name in ("BCELoss", "GaussianNLLLoss"):
        # What they take must stay between 0 and 1, or positive.
        layer = Body(lambda net, *given: net.loss(*(entry.sigmoid() for entry in given)), loss=layer)
    return case(name, layer, *taken, eval_mode=not training)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("training", [True, False])
def test_every_layer_is_followed(training: bool) -> None:
    wrong: dict[str, object] = {}
    for name in LAYERS:
        torch.manual_seed(0)
        made = _made(name, training)
        graph, flow = made.recorded()
        values = [flow.at(output.ref) for output in graph.outputs if output.what == "loss"]
        found: list[object] = [*contradictions(made, flow, values, moved(made, tries=1))]
        found += [*flow.unknown, *graph.unseen]
        # A loss is one number of all samples.
        values = [value for value in values if value.axes != ()]
        mixed = [mixing for bit, mixing in enumerate(flow.mixings) if any(v.mixed >> bit & 1 for v in values)]
        found += [mixing.kind for mixing in mixed if not mixing.context]
        if training and name.endswith(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")):
            found += [] if mixed else ["no context"]
        elif not all(value.known and value.places() for value in values):
            found += ["the batch axis is lost"]
        if found:
            wrong[name] = found
    assert wrong == UNKNOWN
