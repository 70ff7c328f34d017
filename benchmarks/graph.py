"""What it costs to record a training step, and to follow the batch axis through the recorded graph.

    python benchmarks/graph.py              ResNet-18 and GPT-2-small shapes, and graphs of growing size
    python benchmarks/graph.py --rounds 5   more rounds

Both sides take the same step (forward, backward, update) in one process on one thread; rounds alternate. CPU
seconds, so that what else runs on the machine disturbs little. How the work grows with the graph is told by
calls of functions, too, which no other program disturbs.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click
import torch
from measure import Spread, keep, machine, sized
from torch import nn
from torch.nn import functional

import nnlint
from nnlint.graph.flow import Flow
from nnlint.graph.nodes import Graph
from nnlint.graph.record import record
from nnlint.graph.step import GraphStep
from nnlint.registry import looking_at, rules

Step = Callable[[], None]
GRAPH_RULES = looking_at("G", rules())


class Residual(nn.Module):
    """The basic block of ResNet-18."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.short = nn.Identity()
        if stride > 1 or width != out:
            self.short = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(y + self.short(x))


def resnet18() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    blocks: list[nn.Module] = []
    width = 64
    for out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Residual(width, out, stride), Residual(out, out, 1)]
        width = out
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    net = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))
    return net, torch.randn(7, 3, 224, 224), torch.randint(0, 1000, (7,))


class Decoder(nn.Module):
    """A GPT: tokens and positions, causal blocks, logits of the next token."""

    def __init__(self, layers: int, width: int, heads: int, words: int, length: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, words, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.head(self.blocks(x, mask=mask, is_causal=True)).transpose(1, 2)


def gpt2_small() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    net = Decoder(layers=12, width=768, heads=12, words=50257, length=32)
    return net, torch.randint(0, 50257, (7, 32)), torch.randint(0, 50257, (7, 32))


def tiny(layers: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    net = Decoder(layers, width=8, heads=2, words=20, length=6)
    return net, torch.randint(0, 20, (7, 6)), torch.randint(0, 20, (7, 6))


def step_of(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Step:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def calls(call: Callable[[], object]) -> int:
    """How many functions it calls, Python's and others."""
    count = 0

    def heard(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(heard)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


def judged(step: GraphStep) -> None:
    """What every rule says of a recorded step."""
    for rule in GRAPH_RULES:
        list(rule.check_graph(step))


def exponent(nodes: Sequence[int], work: Sequence[float]) -> float:
    """The slope of log(work) over log(nodes), by least squares."""
    slope = statistics.linear_regression(list(map(math.log, nodes)), list(map(math.log, work))).slope
    return round(slope, 3)


@click.command()
@click.option("--rounds", default=3, show_default=True)
@sized
def main(rounds: int, quick: bool, output: Path | None) -> None:
    """Print the ratios and write them down."""
    rounds = 1 if quick else rounds
    torch.set_num_threads(1)
    figures: dict[str, object] = {}
    for name, make in (("ResNet-18", resnet18), ("GPT-2 small", gpt2_small)):
        net, x, y = make()
        step = step_of(net, x, y)
        graphs: list[Graph] = []
        plain, recorded = [], []
        # The first step pays for what torch sets up once.
        step()
        for _ in range(rounds):
            plain.append(seconds(step))
            recorded.append(seconds(lambda: graphs.append(record(step, {"x": x, "y": y}, [net]))))  # noqa: B023
        ratio = Spread.of([own / base for base, own in zip(plain, recorded, strict=True)])
        follow = Spread.of([seconds(lambda: Flow(graphs[-1])) for _ in range(rounds)])  # noqa: B023
        figures[name] = {
            "nodes": len(graphs[-1].nodes),
            "plain step": Spread.of(plain).to_dict(),
            "recorded step": Spread.of(recorded).to_dict(),
            "ratio": ratio.to_dict(),
            "follow": follow.to_dict(),
        }
        click.echo(
            f"{name}: {len(graphs[-1].nodes)} nodes; recorded step / plain step {ratio.show()}, "
            f"plain {Spread.of(plain).show(3)} s; followed in {follow.show(3)} s"
        )
    growth: list[dict[str, Any]] = []
    # About 500, 1,000, 2,000, 5,000 and 7,000 nodes.
    for layers in (5, 10, 21, 53, 74):
        net, x, y = tiny(layers)
        graph = record(step_of(net, x, y), {"x": x, "y": y}, [net])
        follow = Spread.of([seconds(lambda: Flow(graph)) for _ in range(rounds)])  # noqa: B023
        step = GraphStep(graph)
        made, said = calls(lambda: step.flow), calls(lambda: judged(step))  # noqa: B023
        growth.append(
            {"nodes": len(graph.nodes), "follow": follow.to_dict(), "calls": made, "calls of the rules": said}
        )
        each = follow.median / len(graph.nodes) * 1e6
        click.echo(
            f"{len(graph.nodes)} nodes followed in {follow.show(3)} s, {each:.0f} µs and "
            f"{made / len(graph.nodes):.0f} calls a node, {said / len(graph.nodes):.0f} by all rules"
        )
    figures["growth"] = growth
    nodes = [entry["nodes"] for entry in growth]
    for name, work in {
        "exponent": [entry["follow"]["low"] for entry in growth],
        "exponent of calls": [entry["calls"] for entry in growth],
        "exponent of the rules' calls": [entry["calls of the rules"] for entry in growth],
    }.items():
        figures[name] = exponent(nodes, work)
        click.echo(f"{name}: {figures[name]} (1 is linear)")
    content = {
        "machine": machine(),
        "torch": torch.__version__,
        "nnlint": nnlint.__version__,
        "unit": "seconds of the processor, one thread",
        "rounds": rounds,
        "figures": figures,
    }
    keep("graph", content, quick, output)


if __name__ == "__main__":
    main()
