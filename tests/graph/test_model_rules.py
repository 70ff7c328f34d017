"""Rules on how a model is put together, in recorded steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from looked import Looked, check, model

pytestmark = pytest.mark.filterwarnings("ignore")


def net(parts: str, forward: str, x: str = "torch.randn(7, 6, 8)") -> str:
    """A model of these parts, and a step that trains it."""
    return f"""
{model(parts, forward)}
x = {x}
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
def step():
    optimizer.zero_grad()
    out = net(x)
    loss = out.pow(2).mean()
    loss.backward()
    optimizer.step()
"""


def test_layers_in_a_plain_list(tmp_path: Path) -> None:
    parts = "self.head = nn.Linear(8, 3)\nself.body = [nn.Linear(8, 8), nn.Linear(8, 8)]"
    forward = (
        "for layer in self.body:\n    x = torch.relu(layer(x))  # unregistered-modules\nreturn self.head(x)"
    )
    check("unregistered-modules", net(parts, forward), tmp_path)


def test_registered_layers_are_known(tmp_path: Path) -> None:
    parts = (
        "self.head = torch.nn.utils.parametrizations.weight_norm(nn.Linear(8, 3))\n"
        "self.body = nn.ModuleDict({'a': nn.Linear(8, 8)})\n"
        "self.more = nn.ParameterList([nn.Parameter(torch.zeros(8))])"
    )
    forward = "return self.head(torch.relu(self.body['a'](x)) + self.more[0])"
    assert Looked(net(parts, forward), tmp_path).of("unregistered-modules") == []


def test_a_layer_that_is_built_in_forward(tmp_path: Path) -> None:
    parts = "self.body = nn.Linear(8, 8)"
    forward = "x = torch.relu(self.body(x))\nreturn nn.Linear(8, 3)(x)  # layer-in-forward"
    looked = check("layer-in-forward", net(parts, forward), tmp_path)
    assert "[3, 8] is built while `Net`" in looked.of("layer-in-forward")[0].message


def test_states_and_buffers_made_in_forward_are_none(tmp_path: Path) -> None:
    parts = "self.body = nn.GRU(8, 8, batch_first=True)"
    forward = (
        "state = torch.zeros(1, len(x), 8, requires_grad=True)\nout = torch.empty(7, 8)\n"
        "out[:] = self.body(x, state)[0][:, -1]\nreturn out"
    )
    assert Looked(net(parts, forward), tmp_path).of("layer-in-forward") == []


def test_one_layer_repeated(tmp_path: Path) -> None:
    parts = "self.body = nn.ModuleList([nn.Linear(8, 8)] * 3)"
    forward = "for layer in self.body:\n    x = torch.relu(layer(x))  # shared-layer-repeat\nreturn x"
    check("shared-layer-repeat", net(parts, forward), tmp_path)


def test_dropout_in_a_part_that_is_in_evaluation_mode(tmp_path: Path) -> None:
    parts = "self.body = nn.Linear(8, 8)"
    forward = "return F.dropout(self.body(x), 0.2)  # functional-dropout-always-on"
    text = net(parts, forward).replace("net = Net()", "net = Net().eval()")
    check("functional-dropout-always-on", text, tmp_path)
    later = net(parts, forward.replace("0.2)", "0.2, self.training)")).replace(
        "net = Net()", "net = Net().eval()"
    )
    assert Looked(later, tmp_path).of("functional-dropout-always-on") == []


def test_dropout_before_batch_norm(tmp_path: Path) -> None:
    parts = "self.body = nn.Linear(8, 8)\nself.drop = nn.Dropout(0.2)\nself.norm = nn.BatchNorm1d(8)"
    forward = "h = self.drop(self.body(x[:, 0]))  # dropout-before-batch-norm\nreturn self.norm(h)"
    # The source tells only a script that evaluates; a step cannot know.
    check("dropout-before-batch-norm", net(parts, forward), tmp_path, both=False)
    evaluated = net(parts, forward) + "def evaluate():\n    net.eval()\n    return net(x)\n"
    check("dropout-before-batch-norm", evaluated, tmp_path)
    sound = net(parts, "return self.drop(self.norm(self.body(x[:, 0])))")
    assert Looked(sound, tmp_path).of("dropout-before-batch-norm") == []


@pytest.mark.parametrize("between", ["h", "self.drop(h).flatten(1).view(7, 6, 16)"])
def test_two_linear_layers_in_a_row(between: str, tmp_path: Path) -> None:
    parts = "self.a = nn.Linear(8, 16)\nself.b = nn.Linear(16, 3)\nself.drop = nn.Dropout(0.1)"
    forward = f"h = self.a(x)\nreturn self.b({between})  # linear-stack"
    looked = check("linear-stack", net(parts, forward), tmp_path)
    assert looked.of("linear-stack")[0].message.startswith("`b` follows `a` with")


@pytest.mark.parametrize(
    ("parts", "forward"),
    [
        ("self.a = nn.Linear(8, 2)\nself.b = nn.Linear(2, 8)", "return self.b(self.a(x))"),
        ("self.a = nn.Linear(8, 9, bias=False)\nself.b = nn.Linear(9, 8)", "return self.b(self.a(x))"),
        ("self.a = nn.Linear(8, 9)\nself.b = nn.Linear(9, 9)", "h = self.a(x)\nreturn h + self.b(h)"),
        ("self.a = nn.Linear(8, 9)\nself.b = nn.Linear(9, 9)", "return self.b(F.gelu(self.a(x)))"),
        ("self.a = nn.Linear(8, 9)\nself.b = nn.GRU(9, 9)", "return self.b(self.a(x).transpose(0, 1))[0]"),
        (
            "self.a = nn.Linear(8, 8)\nself.b = nn.MultiheadAttention(8, 2, batch_first=True)",
            "h = self.a(x)\nreturn self.b(h, h, h)[0]",
        ),
    ],
)
def test_linear_layers_that_are_meant(parts: str, forward: str, tmp_path: Path) -> None:
    assert Looked(net(parts, forward), tmp_path).of("linear-stack") == []


def test_every_layer_reads_the_input_again(tmp_path: Path) -> None:
    parts = "self.body = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))"
    forward = "for layer in self.body:\n    h = torch.relu(layer(x))  # discarded-forward-value\nreturn h"
    looked = check("discarded-forward-value", net(parts, forward), tmp_path)
    assert "`body.0` and `body.2` are applied to the same" in looked.of("discarded-forward-value")[0].message


def test_a_result_that_is_never_used(tmp_path: Path) -> None:
    parts = "self.a = nn.Linear(8, 8)\nself.b = nn.Linear(8, 8)"
    forward = "h = torch.relu(self.a(x))  # discarded-forward-value\nh = self.b(x)\nreturn h"
    (finding,) = check("discarded-forward-value", net(parts, forward), tmp_path).of("discarded-forward-value")
    assert finding.severity.value == "warning"


@pytest.mark.parametrize(
    ("parts", "forward"),
    [
        # The last turn of a loop computes what nobody needs.
        ("self.a = nn.Linear(8, 8)", "h = x\nfor _ in range(3):\n    y, h = h, self.a(h)\nreturn y"),
        ("self.a = nn.LSTM(8, 8)", "return self.a(x)[0]"),
        ("self.a = nn.MultiheadAttention(8, 2)", "return self.a(x, x, x)[0]"),
        (
            "self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)\n"
            "self.register_buffer('kept', torch.zeros(7, 6, 8))",
            "self.kept.copy_(self.b(x).detach())\nreturn self.a(x)",
        ),
        (
            "self.a = nn.Linear(8, 8)\nself.b = nn.Linear(8, 8)",
            "self.mean = self.b(x).mean().item()\nreturn self.a(x)",
        ),
    ],
)
def test_results_that_are_used_or_kept(parts: str, forward: str, tmp_path: Path) -> None:
    assert Looked(net(parts, forward), tmp_path).of("discarded-forward-value") == []


QKV = "self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)"
HEADS = "q, k, v = (part(x).view(7, 6, 2, 4).transpose(1, 2) for part in (self.q, self.k, self.v))\n"


@pytest.mark.parametrize(
    ("forward", "part"),
    [
        (
            "s = q @ k.transpose(-2, -1) * math.sqrt(4)  # attention-scale\nreturn s.softmax(-1) @ v",
            "multiplied",
        ),
        ("s = q @ k.transpose(-2, -1) / 8 ** 0.5  # attention-scale\nreturn s.softmax(-1) @ v", "root of 8"),
        (
            "q = q * 4 ** -0.5  # attention-scale\nreturn F.scaled_dot_product_attention(q, k, v)",
            "the same root again",
        ),
    ],
)
def test_the_scale_of_attention(forward: str, part: str, tmp_path: Path) -> None:
    looked = Looked(net(QKV, HEADS + forward), tmp_path)
    (finding,) = looked.of("attention-scale")
    assert [finding.span.start.row] == looked.marked("attention-scale")
    assert part in finding.message


@pytest.mark.parametrize(
    "forward",
    [
        "s = q @ k.transpose(-2, -1) / math.sqrt(4)\nreturn F.dropout(s.softmax(-1), 0.1) @ v",
        "s = (q * 4 ** -0.25) @ (k * 4 ** -0.25).transpose(-2, -1)\nreturn s.softmax(-1) @ v",
        "s = q @ k.transpose(-2, -1)\nreturn s.softmax(-1) @ v",
        "s = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * 2\nreturn s.softmax(-1) @ v",
        "s = torch.baddbmm(torch.zeros(1), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=0.5)\n"
        "return s.softmax(-1) @ v.flatten(0, 1)",
        "return F.scaled_dot_product_attention(q * 0.5, k, v, scale=1.0)",
    ],
)
def test_sound_scales(forward: str, tmp_path: Path) -> None:
    assert Looked(net(QKV, HEADS + forward), tmp_path).of("attention-scale") == []


MADE = "self.register_buffer('mask', torch.tril(torch.ones(6, 6)))\n" + QKV


@pytest.mark.parametrize(
    "forward",
    [
        "s = (q @ k.transpose(-2, -1)).masked_fill(self.mask == 1, float('-inf'))  # mask-polarity\n"
        "return s.softmax(-1) @ v",
        "mask = torch.triu(torch.ones(6, 6), 1).bool()\n"
        "return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # mask-polarity",
        "s = (q @ k.transpose(-2, -1)).masked_fill(self.mask == 0, 1e-9)  # mask-polarity\n"
        "return s.softmax(-1) @ v",
    ],
)
def test_masks_of_the_wrong_polarity(forward: str, tmp_path: Path) -> None:
    looked = Looked(net(MADE, HEADS + forward), tmp_path)
    (finding,) = looked.of("mask-polarity")
    assert [finding.span.start.row] == looked.marked("mask-polarity")
    assert len([entry for entry in looked.shown if entry.name == "mask-polarity"]) == 1


@pytest.mark.parametrize(
    "forward",
    [
        "s = (q @ k.transpose(-2, -1)).masked_fill(self.mask[:6, :6] == 0, float('-inf'))\n"
        "return s.softmax(-1) @ v",
        "mask = torch.tril(torch.ones(6, 6)).bool()\n"
        "return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)",
        "mask = nn.Transformer.generate_square_subsequent_mask(6)\n"
        "return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)",
        "return F.scaled_dot_product_attention(q, k, v, is_causal=True)",
        "return q.masked_fill(self.mask[:, :4] == 1, -1e9)",
    ],
)
def test_sound_masks(forward: str, tmp_path: Path) -> None:
    assert Looked(net(MADE, HEADS + forward), tmp_path).of("mask-polarity") == []


WORDS = (
    "torch.tensor([[3, 4, 5, 6, 0, 0], [1, 2, 0, 0, 0, 0], [7, 8, 9, 3, 2, 1]] + 4 * [[5, 6, 7, 0, 0, 0]])"
)
EMBEDDED = (
    "self.words = nn.Embedding(10, 8, padding_idx=0)\n"
    "self.attend = nn.MultiheadAttention(8, 2, batch_first=True)\n"
    "self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)"
)
EMBED = "h = self.words(x)\nq, k, v = self.q(h), self.k(h), self.v(h)\n"


@pytest.mark.parametrize(
    ("forward", "wrong"),
    [
        ("return F.scaled_dot_product_attention(q, k, v, attn_mask=({}).unsqueeze(1))", "x == 0"),
        ("return self.attend(q, k, v, key_padding_mask={}, need_weights=False)[0]", "x != 0"),
        (
            "s = q @ k.transpose(1, 2) / 8**0.5\n"
            "return s.masked_fill(({})[:, None, :], -1e9).softmax(-1) @ v",
            "x.ne(0)",
        ),
    ],
)
def test_masks_of_padding(forward: str, wrong: str, tmp_path: Path) -> None:
    forward = EMBED + forward + "  # mask-polarity"
    looked = Looked(net(EMBEDDED, forward.format(wrong), x=WORDS), tmp_path)
    (finding,) = looked.of("mask-polarity")
    assert [finding.span.start.row] == looked.marked("mask-polarity")
    assert "invert the mask" in finding.message
    sound = net(EMBEDDED, forward.format(f"~({wrong})"), x=WORDS)
    assert Looked(sound, tmp_path).of("mask-polarity") == []
    # Another word than the one for padding: who knows what is meant.
    other = net(EMBEDDED, forward.format(wrong.replace("0", "3")), x=WORDS)
    assert Looked(other, tmp_path).of("mask-polarity") == []


def test_a_model_that_never_reads_the_batch(tmp_path: Path) -> None:
    parts = "self.a = nn.Linear(8, 3)\nself.start = torch.zeros(8)"
    looked = Looked(net(parts, "return self.a(self.start.expand(len(x), 8))"), tmp_path)
    (finding,) = looked.of("unused-parameters")
    assert "no prediction depends on the batch" in finding.message
    assert Looked(net(parts, "return self.a(self.start + x[:, 0])"), tmp_path).of("unused-parameters") == []
