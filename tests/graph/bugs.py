"""Models with a bug that mixes samples, marked on its line, and models that mix them on purpose."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from twin import Case
from zoo import Body, N, case, images

BUGGY: dict[str, Callable[[], Bug]] = {}
CONTEXT: dict[str, Callable[[], Case]] = {}


@dataclass
class Bug:
    """`kind` is that of the first mixing; `row` the line marked `# BUG`."""

    case: Case
    kind: str
    row: int


def buggy(kind: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    def enter(function: Callable[[], Case]) -> Callable[[], Case]:
        lines, first = inspect.getsourcelines(function)
        row = first + next(number for number, line in enumerate(lines) if "# BUG" in line)
        BUGGY[function.__name__] = lambda: Bug(function(), kind, row)
        return function

    return enter


def context(function: Callable[[], Case]) -> Callable[[], Case]:
    CONTEXT[function.__name__] = function
    return function


def sequence() -> torch.Tensor:
    return torch.randn(N, 6, 4)


@buggy("regroup")
def reshape_after_transpose() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x).transpose(0, 1)
        return net.out(h.reshape(N, -1))  # BUG

    return case("reshape", Body(run, lin=nn.Linear(4, 3), out=nn.Linear(18, 2)), sequence())


@buggy("regroup")
def view_as_transpose() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x).view(6, N, 3)  # BUG
        return net.out(h.mean(0))

    return case("view", Body(run, lin=nn.Linear(4, 3), out=nn.Linear(3, 2)), sequence())


@buggy("softmax")
def softmax_over_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.out(F.softmax(net.lin(x), dim=0))  # BUG

    return case("softmax", Body(run, lin=nn.Linear(4, 3), out=nn.Linear(3, 2)), torch.randn(N, 4))


@buggy("reduction")
def batch_mean_taken_off() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        return h - h.mean(0, keepdim=True)  # BUG

    return case("mean", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@buggy("reduction")
def scaled_by_the_largest() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        return h / h.abs().max()  # BUG

    return case("max", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@buggy("reduction")
def normalised_along_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(net.lin(x), dim=0)  # BUG

    return case("normalize", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@buggy("recurrence")
def lstm_without_batch_first() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        out, _ = net.lstm(x)  # BUG
        return net.out(out[:, -1])

    return case("lstm", Body(run, lstm=nn.LSTM(4, 5), out=nn.Linear(5, 2)), sequence())


@buggy("selection")
def gru_without_batch_first() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        out, _ = net.gru(x)  # BUG
        return net.out(out[:, -1])

    return case("gru", Body(run, gru=nn.GRU(4, 5), out=nn.Linear(5, 2)), sequence())


@buggy("attention")
def encoder_without_batch_first() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.body(x).mean(1)  # BUG

    return case("encoder", Body(run, body=nn.TransformerEncoderLayer(4, 2, 8)), sequence(), eval_mode=False)


@buggy("attention")
def attention_over_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        q, k, v = net.qkv(x).chunk(3, -1)
        weights = (q @ k.t()).softmax(-1)  # BUG
        return weights @ v

    return case("attention", Body(run, qkv=nn.Linear(4, 12)), torch.randn(N, 4))


@buggy("attention")
def fused_attention_over_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        q, k, v = net.qkv(x).transpose(0, 1).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v).transpose(0, 1)  # BUG

    return case("fused", Body(run, qkv=nn.Linear(4, 12)), sequence())


@buggy("contraction")
def einsum_with_the_wrong_letter() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        gram = torch.einsum("nti,ntj->ij", h, h)  # BUG
        return h @ gram

    return case("einsum", Body(run, lin=nn.Linear(4, 3)), sequence())


@buggy("scan")
def running_sum_over_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.lin(x).cumsum(0)  # BUG

    return case("cumsum", Body(run, lin=nn.Linear(4, 3)), sequence())


@buggy("convolution")
def convolution_along_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.conv(x.permute(1, 2, 0)).permute(2, 0, 1)  # BUG

    return case("conv", Body(run, conv=nn.Conv1d(4, 3, 3, padding=1)), sequence())


@buggy("normalisation")
def layer_norm_over_everything() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(net.lin(x), (N, 3))  # BUG

    return case("layer norm", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@buggy("interleaved")
def repeat_against_repeat_interleave() -> Case:
    def run(net: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return net.lin(x).repeat(3, 1) * net.two(y).repeat_interleave(3, 0)  # BUG

    return case(
        "repeat", Body(run, lin=nn.Linear(4, 3), two=nn.Linear(4, 3)), torch.randn(N, 4), torch.randn(N, 4)
    )


@buggy("permuted")
def batch_reversed_instead_of_time() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        return torch.cat([h, h.flip(0)], dim=-1)  # BUG

    return case("flip", Body(run, lin=nn.Linear(4, 3)), sequence())


@buggy("gather")
def rows_picked_by_the_labels() -> Case:
    def run(net: Any, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return net.lin(x)[label]  # BUG

    return case("labels", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4), torch.tensor([0, 3, 1, 2, 1]))


@buggy("sort")
def sorted_along_the_batch() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.lin(x).sort(0).values  # BUG

    return case("sort", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@buggy("selection")
def first_sample_as_the_reference() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        return h - h[0]  # BUG

    return case("first", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@buggy("transform")
def fourier_over_all_axes() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.fftn(net.lin(x)).real  # BUG

    return case("fft", Body(run, lin=nn.Linear(4, 3)), sequence())


@buggy("scatter")
def class_means_in_the_model() -> Case:
    def run(net: Any, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        sums = torch.zeros(4, 3).index_add(0, label, h)  # BUG
        return h - sums.mean(0)

    return case(
        "class means", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4), torch.tensor([0, 3, 1, 2, 1])
    )


@context
def batch_norm() -> Case:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    return case("batch norm", net, images(), eval_mode=False)


@context
def mixup() -> Case:
    net = nn.Linear(4, 3)

    def forward(given: dict[str, torch.Tensor]) -> torch.Tensor:
        x = given["x"]
        order = torch.randperm(x.size(0))
        return net(0.7 * x + 0.3 * x[order])

    return Case("mixup", {"x": torch.randn(N, 4)}, forward, [net])


@context
def mixup_by_flip() -> Case:
    net = nn.Linear(4, 3)
    return Case(
        "timm",
        {"x": torch.randn(N, 4)},
        lambda given: net(given["x"] * 0.6 + given["x"].flip(0) * 0.4),
        [net],
    )


@context
def cut_mix() -> Case:
    net = nn.Conv2d(3, 4, 3)

    def forward(given: dict[str, torch.Tensor]) -> torch.Tensor:
        x = given["x"].clone()
        order = torch.randperm(x.size(0))
        x[:, :, 2:5, 1:4] = x[order, :, 2:5, 1:4]
        return net(x)

    return Case("cutmix", {"x": images()}, forward, [net])


@context
def manifold_mixup() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(net.one(x))
        return net.two(0.6 * h + 0.4 * h[torch.randperm(h.size(0))])

    return case("manifold mixup", Body(run, one=nn.Linear(4, 4), two=nn.Linear(4, 3)), torch.randn(N, 4))
