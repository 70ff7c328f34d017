"""torchvision's models: what the axis algebra says of each, and whether the slow twin agrees.

    python tests/graph/vision.py                   every model that classifies or segments, by the algebra
    python tests/graph/vision.py --twin [NAME …]   one of each family, and heads for boxes, against the twin
    python tests/graph/vision.py --detectors       a training step of whole detectors, by the algebra

The first needs no memory for weights: the models are traced as `nnlint run --trace-only` does it. torchvision
is installed beside: `pip install --no-deps torchvision==0.28.0 pillow`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from twin import Case, contradictions, moved

from nnlint.graph.record import record
from nnlint.graph.step import GraphStep
from nnlint.graph.tracing import trace
from nnlint.registry import looking_at, rules
from nnlint.rule import Sighting

# One of each family, the smallest, with the least size of image that it takes.
FAMILIES = {
    "alexnet": 64, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "efficientnet_v2_s": 32,
    "googlenet": 32, "inception_v3": 75, "maxvit_t": 224, "mnasnet0_5": 32, "mobilenet_v2": 32,
    "mobilenet_v3_small": 32, "regnet_x_400mf": 32, "regnet_y_400mf": 32, "resnet18": 32,
    "resnext50_32x4d": 32, "shufflenet_v2_x0_5": 32, "squeezenet1_1": 32, "swin_t": 32, "swin_v2_t": 32,
    "vgg11": 32, "vgg11_bn": 32, "vit_b_32": 224, "wide_resnet50_2": 32,
    "deeplabv3_mobilenet_v3_large": 32, "fcn_resnet50": 32, "lraspp_mobilenet_v3_large": 32,
}  # fmt: skip
# What asks for images of a size of its own.
LARGE = {"inception_v3": 299}


def torchvision() -> Any:
    """The library, whose compiled part does not load beside a torch without CUDA; it is not needed here."""
    define, fake = torch.library.Library.impl, torch.library.register_fake

    def lenient(library: Any, *args: Any, **kwargs: Any) -> None:
        try:
            define(library, *args, **kwargs)
        except RuntimeError:
            return

    def passing(op: Any, *args: Any, **kwargs: Any) -> Any:
        own = isinstance(op, str) and op.startswith("torchvision::")
        return (lambda function: function) if own else fake(op, *args, **kwargs)

    torch.library.Library.impl, torch.library.register_fake = lenient, passing  # type: ignore[method-assign,assignment]
    try:
        import torchvision.models.detection
        import torchvision.models.segmentation

        return torchvision
    finally:
        torch.library.Library.impl, torch.library.register_fake = define, fake  # type: ignore[method-assign]


def _folder(name: str) -> str:
    return "torchvision.models" + (".segmentation" if name.startswith(("deeplab", "fcn_", "lraspp")) else "")


def said(step: GraphStep) -> list[Sighting]:
    """What the rules say of a step, but for advice."""
    return [
        sighting
        for rule in looking_at("G", rules())
        for sighting in rule.check_graph(step)
        if str((sighting.severity or rule.page.severity).value) != "info"
    ]


def traced(name: str) -> GraphStep:
    """The forward of a model that is only described."""
    size = LARGE.get(name, 224)
    weights = "weights=None, weights_backbone=None" if "segment" in _folder(name) else "weights=None"
    return GraphStep(trace(f"{_folder(name)}:{name}({weights})", [f"N,3,{size},{size}"]))


def case(name: str) -> Case:
    """A small batch through a model of random weights."""
    vision = torchvision()
    size = FAMILIES[name]
    more: dict[str, bool | None] = {}
    if "segment" in _folder(name):
        more = {"weights_backbone": None}
    elif name in ("googlenet", "inception_v3"):
        more = {"init_weights": False}
    net = vision.models.get_model(name, weights=None, num_classes=5, **more).eval()
    return Case(name, {"x": torch.randn(3, 3, size, size)}, lambda given: net(given["x"]), [net])


def _head(make: Callable[[Any], nn.Module]) -> Callable[[], Case]:
    """A head for detection behind the features of two sizes."""

    def built() -> Case:
        head = make(torchvision().models.detection).eval()
        body = nn.Conv2d(3, 32, 3, padding=1)

        def forward(given: dict[str, torch.Tensor]) -> Any:
            features = torch.relu(body(given["x"]))
            return head([features, nn.functional.max_pool2d(features, 2)])

        return Case("head", {"x": torch.randn(3, 3, 8, 8)}, forward, [body, head])

    return built


HEADS = {
    "head of RetinaNet": _head(
        lambda detection: detection.retinanet.RetinaNetHead(32, 3, 4, norm_layer=None)
    ),
    "head of FCOS": _head(lambda detection: detection.fcos.FCOSHead(32, 1, 4, num_convs=1)),
    "head of SSD": _head(lambda detection: detection.ssd.SSDHead([32, 32], [4, 4], 5)),
    "proposals of Faster R-CNN": _head(lambda detection: detection.rpn.RPNHead(32, 3)),
}


# Whole detectors: their constructor, and the size of images.
DETECTORS = {
    "retinanet_resnet50_fpn": 64, "fcos_resnet50_fpn": 64, "ssdlite320_mobilenet_v3_large": 320,
    "fasterrcnn_mobilenet_v3_large_320_fpn": 64,
}  # fmt: skip


def _nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    from torchvision.ops import box_iou  # type: ignore[import-not-found,unused-ignore]

    overlaps = box_iou(boxes, boxes)
    kept: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        if all(overlaps[index, other] <= threshold for other in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


def _detectors() -> Iterator[tuple[str, list[str]]]:
    """A step on three images of two boxes each; what is compiled has a stand-in."""
    vision = torchvision()
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _nms, "CPU")
    vision.ops.boxes._assert_has_ops = lambda: None
    for name, size in DETECTORS.items():
        torch.manual_seed(0)
        make = getattr(vision.models.detection, name)
        limits = {} if name.startswith("ssd") else {"min_size": size, "max_size": size}
        net = make(weights=None, weights_backbone=None, num_classes=3, **limits).train()
        images = torch.rand(3, 3, size, size)
        boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0], [10.0, 10.0, 50.0, 60.0]])
        targets = [{"boxes": boxes.clone(), "labels": torch.tensor([1, 2])} for _ in images]

        def step(net: nn.Module = net, images: torch.Tensor = images, targets: Any = targets) -> None:
            torch.autograd.backward(sum(net(list(images), targets).values()))

        seen = GraphStep(record(step, {"images": images}, [net], batch=3))
        unknown = [f"no rule for {operator}" for operator in seen.flow.unknown]
        yield f"{name}: {len(seen.nodes)} nodes", unknown + [sighting.message for sighting in said(seen)]


def disagreement(case: Case) -> list[str]:
    """What the twin contradicts, and what the algebra does not know; nothing if they agree."""
    graph, flow = case.recorded()
    values = [flow.at(output.ref) for output in graph.outputs if output.what == "loss"]
    wrong = contradictions(case, flow, values, moved(case, tries=1))
    wrong += [f"no rule for {name}" for name in flow.unknown]
    wrong += ["samples are mixed" for value in values if value.mixed]
    return wrong + ["the batch axis was lost" for value in values if not (value.known and value.places())]


def _every() -> Iterator[tuple[str, list[str]]]:
    vision = torchvision()
    models = vision.models
    for name in (*models.list_models(module=models), *models.list_models(module=models.segmentation)):
        step = traced(name)
        wrong = [f"no rule for {operator}" for operator in step.flow.unknown]
        wrong += [f"mixed at {step.operator(index)}" for index in step.cross_batch]
        wrong += [sighting.message for sighting in said(step)]
        places = [step.batch_places(output.ref) for output in step.predictions]
        yield f"{name}: {len(step.nodes)} nodes", wrong + [f"batch at {at}" for at in places if at != (0,)]


def main() -> None:
    """Print a line a model."""
    torch.set_num_threads(1)
    twin, asked = "--twin" in sys.argv, sys.argv[2:]
    failed = count = 0
    named = [*((name, lambda name=name: case(name)) for name in FAMILIES), *HEADS.items()]
    lines = (
        ((name, disagreement(make())) for name, make in named if not asked or name in asked)
        if twin
        else _detectors()
        if "--detectors" in sys.argv
        else _every()
    )
    started = time.process_time()
    for name, wrong in lines:
        count, failed = count + 1, failed + bool(wrong)
        print(name, "agree" if not wrong and twin else "clean" if not wrong else wrong[:3], flush=True)
    print(f"{count} models, {failed} with something to say, {time.process_time() - started:.0f} s")


if __name__ == "__main__":
    main()
