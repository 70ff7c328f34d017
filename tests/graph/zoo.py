"""Small models of every kind that the axis algebra must follow: clean ones, and ones with a planted bug."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from twin import Case

N = 5
CLEAN: dict[str, Callable[[], Case]] = {}
# Sound ones that the algebra gives up on.
QUIET: dict[str, Callable[[], Case]] = {}
SLOW: dict[str, Callable[[], Case]] = {}


def clean(function: Callable[[], Case]) -> Callable[[], Case]:
    CLEAN[function.__name__] = function
    return function


def quiet(function: Callable[[], Case]) -> Callable[[], Case]:
    QUIET[function.__name__] = function
    return function


def slow(function: Callable[[], Case]) -> Callable[[], Case]:
    SLOW[function.__name__] = function
    return function


class Body(nn.Module):
    """A module made of others and a function of them."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = run

    def forward(self, *args: Any) -> Any:
        return self.run(self, *args)


def case(name: str, module: nn.Module, *args: torch.Tensor, eval_mode: bool = True, **more: Any) -> Case:
    """A module and its arguments, which are called x0, x1 …"""
    module.train(not eval_mode)
    inputs = {f"x{number}": arg for number, arg in enumerate(args)}
    return Case(name, inputs, lambda given: module(*given.values()), [module], **more)


def images(channels: int = 3, size: int = 8, n: int = N) -> torch.Tensor:
    return torch.randn(n, channels, size, size)


def tokens(length: int = 6, words: int = 20, n: int = N) -> torch.Tensor:
    return torch.randint(0, words, (n, length))


@clean
def mlp() -> Case:
    net = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)
    )
    return case("mlp", net, torch.randn(N, 4), eval_mode=False)


@clean
def cnn() -> Case:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=8), nn.GroupNorm(2, 8), nn.Hardswish(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    return case("cnn", net, images())


@clean
def instance_norm_and_upsampling() -> Case:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(4, affine=True),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.ConvTranspose2d(4, 4, 2, 2),
        nn.PixelUnshuffle(2), nn.PixelShuffle(2),
    )  # fmt: skip
    return case("instance norm", net, images(), eval_mode=False)


@clean
def squeeze_excitation() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.conv(x)
        scale = torch.sigmoid(net.two(F.relu(net.one(h.mean((2, 3))))))
        return (h * scale[:, :, None, None]).flatten(2).max(-1).values

    return case("se", Body(run, conv=nn.Conv2d(3, 4, 3), one=nn.Linear(4, 2), two=nn.Linear(2, 4)), images())


@clean
def shuffle_unit() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        one, two = net.conv(x).chunk(2, 1)
        h = torch.cat([one, F.silu(two)], 1)
        n, c, height, width = h.shape
        return h.view(n, 2, c // 2, height, width).transpose(1, 2).reshape(n, c, height, width)

    return case("shuffle", Body(run, conv=nn.Conv2d(3, 8, 3)), images())


@clean
def unet() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        one = F.relu(net.down(x))
        two = F.relu(net.middle(F.max_pool2d(one, 2)))
        up = net.up(two)
        up = F.pad(up, [0, one.shape[3] - up.shape[3], 0, one.shape[2] - up.shape[2]])
        return net.out(torch.cat([one, up], dim=1))

    parts = {
        "down": nn.Conv2d(3, 4, 3, padding=1), "middle": nn.Conv2d(4, 8, 3, padding=1),
        "up": nn.ConvTranspose2d(8, 4, 2, 2), "out": nn.Conv2d(8, 2, 1),
    }  # fmt: skip
    return case("unet", Body(run, **parts), images(size=9))


@clean
def vae() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        mean, log_var = net.encode(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return torch.sigmoid(net.decode(z)), mean, log_var

    return case("vae", Body(run, encode=nn.Linear(6, 4), decode=nn.Linear(2, 6)), torch.rand(N, 6))


@clean
def gan() -> Case:
    make, judge = (
        nn.Sequential(nn.Linear(4, 8), nn.Tanh()),
        nn.Sequential(nn.Linear(8, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1)),
    )

    def forward(given: dict[str, torch.Tensor]) -> Any:
        fake = make(torch.randn(N, 4) + 0 * given["x"][:, :4])
        return judge(given["x"]), judge(fake), judge(fake.detach())

    return Case("gan", {"x": torch.randn(N, 8)}, forward, [make, judge])


@clean
def lstm_batch_first() -> Case:
    net = Body(lambda m, x: m.out(m.lstm(m.emb(x))[0][:, -1]), emb=nn.Embedding(20, 4), out=nn.Linear(12, 3),
               lstm=nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True, dropout=0.2))  # fmt: skip
    return case("lstm", net, tokens(), eval_mode=False)


@clean
def lstm_time_first() -> Case:
    net = Body(lambda m, x: m.out(m.lstm(x)[0][-1]), lstm=nn.LSTM(4, 6), out=nn.Linear(6, 3))
    return case("lstm time first", net, torch.randn(7, N, 4), batch=N, place={"x0": 1})


@clean
def gru_with_state() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(1, x.shape[0], 6)
        out, state = net.gru(x, state)
        return torch.cat([out.mean(1), state[0]], 1)

    return case("gru", Body(run, gru=nn.GRU(4, 6, batch_first=True)), torch.randn(N, 7, 4))


@clean
def elman_transposed() -> Case:
    net = Body(lambda m, x: m.rnn(x.transpose(0, 1))[1][-1], rnn=nn.RNN(4, 6, 2))
    return case("rnn", net, torch.randn(N, 7, 4))


@clean
def cells() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = c = x.new_zeros(x.size(0), 6)
        g = torch.zeros(x.size(0), 5)
        outputs = []
        for step in range(x.size(1)):
            h, c = net.cell(x[:, step], (h, c))
            g = net.gru(h, g)
            outputs.append(net.out(g))
        return torch.stack(outputs, dim=1)

    return case(
        "cells",
        Body(run, cell=nn.LSTMCell(4, 6), gru=nn.GRUCell(6, 5), out=nn.Linear(5, 2)),
        torch.randn(N, 7, 4),
    )


def _packed(
    lengths: Callable[[torch.Tensor], Any], first: bool = True, sort: bool = True, **more: Any
) -> Case:
    """A recurrent layer over packed sequences, whose lengths come in one of many ways."""

    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths(x), batch_first=first, enforce_sorted=not sort)
        return net.out(pad_packed_sequence(net.body(packed)[0], batch_first=first)[0])

    wide = 12 if more.get("bidirectional") else 6
    net = Body(run, body=nn.LSTM(4, 6, batch_first=first, **more), out=nn.Linear(wide, 2))
    if first:
        return case("packed", net, torch.randn(N, 7, 4))
    return case("packed", net, torch.randn(7, N, 4), batch=N, place={"x0": 1})


@clean
def packed_by_numbers() -> Case:
    # As a collate function gives them.
    return _packed(lambda _: [3, 7, 5, 2, 6], bidirectional=True)


@clean
def packed_in_order() -> Case:
    return _packed(lambda _: [7, 7, 4, 4, 1], first=False, sort=False, num_layers=2)


@clean
def packed_by_a_mask() -> Case:
    # As many steps as are not padding, of which there is none here.
    return _packed(lambda x: (x[..., 0] < 9).sum(1).cpu())


@clean
def packed_by_a_list() -> Case:
    return _packed(lambda x: (x[..., 0] < 9).sum(1).tolist())


@clean
def packed_and_padded_again() -> Case:
    def run(net: Any, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return net.out(pad_packed_sequence(net.gru(packed)[0], batch_first=True)[0])

    lengths = torch.tensor([3, 7, 7, 2, 6])
    net = Body(run, gru=nn.GRU(4, 6, batch_first=True), out=nn.Linear(6, 2))
    return case("padded again", net, torch.randn(N, 7, 4), lengths, still=frozenset({"x1"}))


@clean
def packed_gru_last() -> Case:
    def run(net: Any, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return net.out(net.gru(packed)[1][-1])

    lengths = torch.tensor([3, 7, 5, 2, 6])
    net = Body(run, gru=nn.GRU(4, 6, batch_first=True), out=nn.Linear(6, 2))
    return case("packed gru", net, torch.randn(N, 7, 4), lengths, still=frozenset({"x1"}))


@clean
def last_word_by_length() -> Case:
    def run(net: Any, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        out, _ = net.lstm(x)
        return net.out(out[torch.arange(x.size(0)), lengths - 1])

    net = Body(run, lstm=nn.LSTM(4, 6, batch_first=True), out=nn.Linear(6, 2))
    return case("last", net, torch.randn(N, 7, 4), torch.tensor([3, 7, 5, 2, 6]))


@clean
def last_word_by_gather() -> Case:
    def run(net: Any, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        out = net.one(x)
        index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, out.size(2))
        return net.out(out.gather(1, index).squeeze(1))

    return case(
        "gather",
        Body(run, one=nn.Linear(4, 6), out=nn.Linear(6, 2)),
        torch.randn(N, 7, 4),
        torch.tensor([3, 7, 5, 2, 6]),
    )


@clean
def masked_mean() -> Case:
    def run(net: Any, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(x.size(1))[None, :] < lengths[:, None]
        h = net.one(x).masked_fill(~mask.unsqueeze(-1), 0)
        return h.sum(1) / lengths.unsqueeze(1).clamp(min=1)

    return case(
        "masked mean", Body(run, one=nn.Linear(4, 6)), torch.randn(N, 7, 4), torch.tensor([3, 7, 5, 2, 6])
    )


@clean
def encoder_batch_first() -> Case:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = Body(
        lambda m, x: m.out(m.body(x, src_key_padding_mask=x[..., 0] > 1.5).mean(1)),
        body=nn.TransformerEncoder(layer, 2),
        out=nn.Linear(8, 3),
    )
    return case("encoder", net, torch.randn(N, 6, 8), eval_mode=False)


@clean
def encoder_time_first() -> Case:
    net = Body(
        lambda m, x: m.body(x.permute(1, 0, 2)).permute(1, 0, 2), body=nn.TransformerEncoderLayer(8, 2, 16)
    )
    return case("encoder time first", net, torch.randn(N, 6, 8), eval_mode=False)


@clean
def encoder_in_evaluation() -> Case:
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return case("fused encoder", Body(lambda m, x: m.net(x), net=net), torch.randn(N, 6, 8))


@clean
def transformer() -> Case:
    def run(net: Any, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        return net.out(net.body(net.emb(source), net.emb(target), tgt_mask=mask))

    body = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    return case(
        "transformer",
        Body(run, body=body, emb=nn.Embedding(20, 8), out=nn.Linear(8, 20)),
        tokens(),
        tokens(4),
        eval_mode=False,
    )


@clean
def cross_attention_with_weights() -> Case:
    def run(net: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
        return net.attn(x, y, y, need_weights=True)

    return case(
        "mha",
        Body(run, attn=nn.MultiheadAttention(8, 2, batch_first=True)),
        torch.randn(N, 6, 8),
        torch.randn(N, 4, 8),
    )


@clean
def nano_gpt() -> Case:
    def attend(net: Any, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.size()
        q, k, v = net.qkv(x).split(c, dim=2)
        q, k, v = (part.view(b, t, 2, c // 2).transpose(1, 2) for part in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (c // 2) ** -0.5
        att = att.masked_fill(torch.tril(torch.ones(t, t)) == 0, float("-inf"))
        y = F.dropout(F.softmax(att, dim=-1), 0.1, net.training) @ v
        fast = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return net.proj((y + fast).transpose(1, 2).contiguous().view(b, t, c))

    def run(net: Any, ids: torch.Tensor) -> torch.Tensor:
        x = net.wte(ids) + net.wpe(torch.arange(ids.size(1)))
        x = x + net.attn(net.ln(x))
        return F.linear(x, net.wte.weight)

    attn = Body(attend, qkv=nn.Linear(8, 24), proj=nn.Linear(8, 8))
    return case(
        "nano gpt",
        Body(run, attn=attn, wte=nn.Embedding(20, 8), wpe=nn.Embedding(6, 8), ln=nn.LayerNorm(8)),
        tokens(),
    )


@clean
def attention_by_einsum() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        q, k, v = net.qkv(x).chunk(3, dim=-1)
        weights = torch.einsum("bqd,bkd->bqk", q, k).softmax(-1)
        return torch.einsum("bqk,bkd->bqd", weights, v)

    return case("einsum", Body(run, qkv=nn.Linear(4, 12)), torch.randn(N, 6, 4))


@clean
def windows() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        x = torch.roll(x, (-1, -1), (2, 3))
        parts = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        parts = net.lin(parts) + parts.mean(1, keepdim=True)
        y = parts.view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return torch.roll(y, (1, 1), (2, 3))

    return case("swin windows", Body(run, lin=nn.Linear(3, 3)), images())


@clean
def patches() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        one = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(1, 2).flatten(2)
        two = F.unfold(x, 4, stride=4).transpose(1, 2)
        cls = net.cls.expand(x.shape[0], -1, -1)
        h = torch.cat([cls, net.lin(one) + net.lin(two)], dim=1)
        return h[:, 0] + F.fold(two.transpose(1, 2), 8, 4, stride=4).mean((1, 2, 3))[:, None]

    net = Body(run, lin=nn.Linear(48, 6))
    net.cls = nn.Parameter(torch.randn(1, 1, 6))
    return case("patches", net, images())


@clean
def siamese() -> Case:
    def run(net: Any, one: torch.Tensor, two: torch.Tensor) -> Any:
        both = net.body(torch.cat([one, two]))
        a, b = both.chunk(2)
        return F.cosine_similarity(a, b), F.pairwise_distance(a, b), both

    return case("siamese", Body(run, body=nn.Linear(4, 6)), torch.randn(N, 4), torch.randn(N, 4))


@clean
def triplet_stacked() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        n, views, d = x.shape
        z = F.normalize(net.body(x.view(n * views, d)), dim=1).view(n, views, -1)
        return z.unbind(1)

    return case("triplet", Body(run, body=nn.Linear(4, 6)), torch.randn(N, 3, 4))


@clean
def similarity_matrix() -> Case:
    def run(net: Any, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        a, b = F.normalize(net.a(one), dim=-1), F.normalize(net.b(two), dim=-1)
        return a @ b.t() * 10

    return case("clip", Body(run, a=nn.Linear(4, 6), b=nn.Linear(3, 6)), torch.randn(N, 4), torch.randn(N, 3))


@clean
def mixture_of_experts() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        weights, chosen = net.gate(flat).softmax(-1).topk(2, dim=-1)
        out = torch.zeros_like(flat)
        for number, expert in enumerate(net.experts):
            row, k = torch.where(chosen == number)
            out.index_add_(0, row, expert(flat[row]) * weights[row, k, None])
        return out.view_as(x)

    experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    return case("moe", Body(run, gate=nn.Linear(4, 3), experts=experts), torch.randn(N, 6, 4))


@clean
def experts_by_mask() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        chosen = net.gate(x).argmax(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(net.experts):
            mask = chosen == number
            out[mask] = expert(x[mask])
        return out

    experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
    return case("moe by mask", Body(run, gate=nn.Linear(4, 2), experts=experts), torch.randn(N, 6, 4))


@clean
def experts_by_sorting() -> Case:
    # Each word goes to two experts: words in the order of their experts, and back.
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        flat = x.view(-1, 4)
        weights, chosen = net.gate(flat).softmax(-1).topk(2, dim=-1)
        order = chosen.view(-1).argsort()
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        out = net.expert(flat[order // 2]) * weights.view(-1)[order, None]
        return out[back].view(-1, 2, 4).sum(1).view_as(x)

    return case("moe sorted", Body(run, gate=nn.Linear(4, 3), expert=nn.Linear(4, 4)), torch.randn(N, 6, 4))


@clean
def written_into() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(x.size(0), x.size(1), 3)
        for step in range(x.size(1)):
            out[:, step] = net.lin(x[:, step])
        out[:, 1:, 0] += 1
        out[..., -1].mul_(2)
        return out

    return case("written", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 6, 4))


@clean
def sample_by_sample() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        out = torch.empty(x.size(0), 3)
        for number in range(x.size(0)):
            out[number] = net.lin(x[number])
        return (
            out,
            torch.stack([net.lin(row) for row in x]),
            torch.cat([net.lin(part) for part in x.split(1)]),
        )

    return case("loop", Body(run, lin=nn.Linear(4, 3)), torch.randn(N, 4))


@clean
def constants_beside_a_sample() -> Case:
    # A row of constants beside each sample's own, and the samples that are left beside those that are gone.
    def run(net: Any, x: torch.Tensor) -> Any:
        rows = [torch.cat([net.token, net.lin(row)[None]]).mean(0) for row in x]
        scores = [torch.stack([net.lin(row).sum(), net.token.sum()]).softmax(0) for row in x]
        h = net.lin(x)
        return torch.stack(rows), torch.stack(scores), torch.cat([h[:3], torch.zeros(N - 3, 3)]) + h

    net = Body(run, lin=nn.Linear(4, 3))
    net.token = nn.Parameter(torch.randn(1, 3))
    return case("constants", net, torch.randn(N, 4))


@clean
def one_hot_and_scatter() -> Case:
    def run(net: Any, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        hot = torch.zeros(x.size(0), 4).scatter_(1, label.unsqueeze(1), 1)
        again = F.one_hot(label, 4).float()
        return net.lin(torch.cat([x, hot, again, net.emb(label)], dim=1))

    return case(
        "one hot",
        Body(run, lin=nn.Linear(14, 3), emb=nn.Embedding(4, 2)),
        torch.randn(N, 4),
        torch.tensor([0, 3, 1, 2, 1]),
    )


@clean
def spectral() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        f = torch.fft.rfft2(x, norm="ortho")
        f = f * torch.view_as_complex(net.weight)
        return torch.fft.irfft2(f, s=x.shape[-2:], norm="ortho") + torch.fft.fft(x).abs()

    net = Body(run)
    net.weight = nn.Parameter(torch.randn(3, 8, 5, 2))
    return case("fft", net, images())


@clean
def running_sums() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        h = h.cumsum(1) + h.flip(1).cumsum(1).flip(1)
        values, order = h.sort(dim=1)
        return values + h.gather(1, order) + h.amax(1, keepdim=True) + torch.logsumexp(h, 2, keepdim=True)

    return case("scan", Body(run, lin=nn.Linear(4, 4)), torch.randn(N, 6, 4))


@clean
def masked_autoencoder() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        n, length, d = x.shape
        shuffle = torch.rand(n, length).argsort(dim=1)
        restore = shuffle.argsort(dim=1)
        kept = x.gather(1, shuffle[:, :3].unsqueeze(-1).expand(-1, -1, d))
        h = torch.cat([net.lin(kept), net.token.expand(n, length - 3, -1)], dim=1)
        return h.gather(1, restore.unsqueeze(-1).expand(-1, -1, d))

    net = Body(run, lin=nn.Linear(4, 4))
    net.token = nn.Parameter(torch.randn(1, 1, 4))
    return case("mae", net, torch.randn(N, 6, 4))


@clean
def vector_quantisation() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        z = net.lin(x)
        flat = z.reshape(-1, 4)
        far = (
            flat.pow(2).sum(1, keepdim=True) - 2 * flat @ net.book.weight.t() + net.book.weight.pow(2).sum(1)
        )
        q = net.book(far.argmin(1)).view_as(z)
        return z + (q - z).detach(), torch.cdist(z, net.book.weight.expand(x.size(0), -1, -1))

    return case("vq", Body(run, lin=nn.Linear(4, 4), book=nn.Embedding(7, 4)), torch.randn(N, 6, 4))


@clean
def bilinear_and_bag() -> Case:
    def run(net: Any, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        return net.two(x, net.bag(words))

    return case(
        "bag", Body(run, bag=nn.EmbeddingBag(20, 4), two=nn.Bilinear(4, 4, 3)), torch.randn(N, 4), tokens()
    )


@clean
def spatial_transformer() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        theta = net.lin(x.flatten(1)).view(-1, 2, 3)
        return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)

    return case("stn", Body(run, lin=nn.Linear(192, 6)), images())


@clean
def highway_gates() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = F.glu(net.lin(x), dim=-1)
        h = torch.where(h > 0, h, x)
        h = torch.addcmul(h, x, h).clamp(-2, 2).lerp(x, 0.3)
        # nnlint: ignore[NNL501] the operators are what is tested
        return net.act(h).softmax(1).log() + torch.baddbmm(torch.zeros(1), h, x.transpose(1, 2)).diagonal(
            dim1=1, dim2=2
        ).unsqueeze(-1)

    return case("gates", Body(run, lin=nn.Linear(4, 8), act=nn.PReLU()), torch.randn(N, 6, 4))


@clean
def time_distributed() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        b, t = x.shape[:2]
        h = net.conv(x.view(b * t, *x.shape[2:])).mean((2, 3)).view(b, t, -1)
        return net.gru(h)[0][:, -1]

    return case(
        "video",
        Body(run, conv=nn.Conv2d(3, 4, 3), gru=nn.GRU(4, 5, batch_first=True)),
        torch.randn(N, 4, 3, 6, 6),
    )


@clean
def dueling_q() -> Case:
    def run(net: Any, x: torch.Tensor, action: torch.Tensor) -> Any:
        h = torch.tanh(net.body(x))
        advantage = net.a(h)
        q = net.v(h) + advantage - advantage.mean(dim=1, keepdim=True)
        return q, q.gather(1, action.unsqueeze(1)).squeeze(1)

    return case(
        "dqn",
        Body(run, body=nn.Linear(4, 6), a=nn.Linear(6, 3), v=nn.Linear(6, 1)),
        torch.randn(N, 4),
        torch.tensor([0, 2, 1, 1, 0]),
    )


@clean
def rows_that_are_kept() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        h = net.lin(x)
        keep = x[:, 0] > -0.5
        one, two, three = keep.nonzero().squeeze(1), keep.nonzero().view(-1), torch.where(keep)[0]
        first, last = torch.zeros_like(h), h.clone()
        first[one] = net.two(h[one])
        last[three] *= 2
        return first, h.index_copy(0, two, net.two(h.index_select(0, two))), last

    return case("kept", Body(run, lin=nn.Linear(4, 3), two=nn.Linear(3, 3)), torch.randn(N, 4))


@clean
def spectrogram() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        spectrum = torch.stft(net.lin(x), 8, 2, window=torch.hann_window(8), return_complex=True)
        return spectrum.abs(), x.unfold(1, 4, 2) + x.as_strided((N, 7, 4), (16, 2, 1))

    return case("spectrogram", Body(run, lin=nn.Linear(16, 16)), torch.randn(N, 16))


@clean
def matrices() -> Case:
    def run(net: Any, x: torch.Tensor) -> Any:
        h = net.lin(x)
        gram = h.mT @ h + torch.eye(4)
        turned = torch.linalg.solve(gram, h.mT).rot90(1, [1, 2])
        h = h.clone()
        h.diagonal(dim1=1, dim2=2).mul_(2)
        rows, columns = torch.triu_indices(6, 4, 1)
        gram = torch.linalg.lu_factor(gram).LU + torch.linalg.cholesky(gram)
        return turned, h.renorm(2, 0, 1.0), h[:, rows, columns], gram, torch.linalg.svdvals(h)

    return case("matrices", Body(run, lin=nn.Linear(4, 4)), torch.randn(N, 6, 4))


@clean
def relative_shift() -> Case:
    # Transformer-XL's, and heads in front of the batch.
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        n, t, d = x.shape
        q = net.lin(x).view(n, t, 2, d // 2).permute(2, 0, 1, 3).reshape(-1, t, d // 2)
        scores = q @ q.mT
        scores = scores + F.pad(scores, (1, 0)).view(2 * n, t + 1, t)[:, 1:].reshape(2 * n, t, t)
        return (scores.softmax(-1) @ q).view(2, n, t, d // 2).permute(1, 2, 0, 3).reshape(n, t, d)

    return case("xl", Body(run, lin=nn.Linear(4, 4)), torch.randn(N, 6, 4))


@quiet
def positions_in_a_flat_batch() -> Case:
    def run(net: Any, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        h = net.lin(x)
        n, t, d = h.shape
        last = torch.arange(n) * t + lengths - 1
        best = torch.arange(n).view(n, 1) * t + h.sum(-1).topk(2, dim=1).indices
        flat = h.view(n * t, d)
        return flat[last], flat.index_select(0, best.view(-1)), flat.gather(0, last[:, None].expand(n, d))

    lengths = torch.tensor([3, 7, 5, 2, 6])
    return case("flat", Body(run, lin=nn.Linear(4, 4)), torch.randn(N, 7, 4), lengths)


@quiet
def words_that_are_kept() -> Case:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.lin(x)
        sample, word = (x[..., 0] > 0).nonzero().t()
        out = torch.zeros_like(h)
        out[sample, word] = net.lin(h[sample, word])
        return out

    return case("words", Body(run, lin=nn.Linear(4, 4)), torch.randn(N, 7, 4))


# Libraries.


def _hf(name: str, model: Any, inputs: dict[str, torch.Tensor], pick: Callable[[Any], Any]) -> Case:
    model.eval()
    return Case(name, inputs, lambda given: pick(model(**given)), [model])


@slow
def bert() -> Case:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    return _hf(
        "bert",
        BertForSequenceClassification(config),
        {"input_ids": tokens(), "attention_mask": torch.ones(N, 6, dtype=torch.long)},
        lambda out: out.logits,
    )


@slow
def gpt2() -> Case:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2, n_positions=16)
    return _hf("gpt2", GPT2LMHeadModel(config), {"input_ids": tokens()}, lambda out: out.logits)


@slow
def vit() -> Case:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
    )
    return _hf("vit", ViTForImageClassification(config), {"pixel_values": images()}, lambda out: out.logits)


@slow
def t5() -> Case:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=20, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return _hf(
        "t5",
        T5ForConditionalGeneration(config),
        {"input_ids": tokens(), "labels": tokens(4)},
        lambda out: out.logits,
    )


@slow
def whisper() -> Case:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_mel_bins=4, max_source_positions=8, max_target_positions=8, pad_token_id=0,
        bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    return _hf(
        "whisper",
        WhisperForConditionalGeneration(config),
        {"input_features": torch.randn(N, 4, 16), "decoder_input_ids": tokens(4)},
        lambda out: out.logits,
    )


@slow
def llama() -> Case:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=20,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return _hf(
        "llama",
        LlamaForCausalLM(config),
        {"input_ids": tokens(), "attention_mask": torch.ones(N, 6, dtype=torch.long)},
        lambda out: out.logits,
    )


@slow
def mixtral() -> Case:
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=20, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, num_local_experts=3, num_experts_per_tok=2,
    )  # fmt: skip
    return _hf("mixtral", MixtralForCausalLM(config), {"input_ids": tokens()}, lambda out: out.logits)


def _graphs(name: str, make: Callable[[], nn.Module], pool: Callable[..., torch.Tensor]) -> Case:
    from torch_geometric.data import Batch, Data

    torch.manual_seed(1)
    graphs = []
    for size in (3, 4, 2, 5):
        edges = torch.stack([torch.arange(size), (torch.arange(size) + 1) % size])
        graphs.append(Data(x=torch.randn(size, 4), edge_index=torch.cat([edges, edges.flip(0)], 1)))
    batch = Batch.from_data_list(graphs)
    conv = make()
    head = nn.Linear(6, 2)
    net = Body(
        lambda m, x, edge_index, b: m.head(pool(F.relu(m.conv(x, edge_index)), b)), conv=conv, head=head
    )
    inputs = {"batch.x": batch.x, "batch.edge_index": batch.edge_index, "batch.batch": batch.batch}
    owners = {"batch.x": batch.batch, "nodes": batch.batch, "edges": batch.batch[batch.edge_index[0]]}
    return Case(
        name,
        inputs,
        lambda given: net(*given.values()),
        [net],
        batch=4,
        owners=owners,
        still=frozenset({"batch.edge_index", "batch.batch"}),
    )


@slow
def gcn() -> Case:
    from torch_geometric.nn import GCNConv, global_mean_pool

    return _graphs("gcn", lambda: GCNConv(4, 6), global_mean_pool)


@slow
def gat() -> Case:
    from torch_geometric.nn import GATConv, global_max_pool

    return _graphs("gat", lambda: GATConv(4, 3, heads=2), global_max_pool)


@slow
def gin() -> Case:
    from torch_geometric.nn import GINConv, global_add_pool

    return _graphs(
        "gin", lambda: GINConv(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6))), global_add_pool
    )
