"""Rules on what a loss is given, in recorded steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from looked import Looked, check

pytestmark = pytest.mark.filterwarnings("ignore")
CLASSES = """
    x, y = torch.randn(7, 8), torch.randint(0, 3, (7,))
"""
BINARY = """
    x, y = torch.randn(7, 8), torch.randint(0, 2, (7, 1)).float()
"""


def step(
    loss: str, layers: str = "nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)", data: str = CLASSES
) -> str:
    return f"""{data}
    net = nn.Sequential({layers})
    def step():
        out = net(x)
        {loss}
        loss.backward()
    """


@pytest.mark.parametrize(
    "loss",
    [
        "loss = F.cross_entropy(F.softmax(out, 1), y)  # activation-before-cross-entropy",
        "loss = nn.CrossEntropyLoss()(out.sigmoid(), y)  # activation-before-cross-entropy",
        "loss = F.nll_loss(F.log_softmax(torch.relu(out), 1), y)  # activation-before-cross-entropy",
        "loss = F.cross_entropy(out.tanh(), F.one_hot(y, 3).float())  # activation-before-cross-entropy",
    ],
)
def test_an_activation_before_cross_entropy(loss: str, tmp_path: Path) -> None:
    check("activation-before-cross-entropy", step(loss), tmp_path, both="nll" not in loss)


def test_a_layer_is_told_once_though_the_source_names_another_line(tmp_path: Path) -> None:
    text = """
    x, y = torch.randn(7, 8), torch.randint(0, 3, (7,))
    net = nn.Sequential(
        nn.Linear(8, 3),
        nn.Softmax(dim=1),
    )
    def step():
        out = net(x)  # activation-before-cross-entropy
        loss = F.cross_entropy(out, y)
        loss.backward()
    """
    looked = check("activation-before-cross-entropy", text, tmp_path)
    (finding,) = looked.of("activation-before-cross-entropy")
    assert finding.message.startswith("softmax is applied to `out` before")
    assert [related.message for related in finding.related] == ["the loss"]


@pytest.mark.parametrize(
    "loss",
    [
        "loss = F.cross_entropy(out, y)",
        "loss = F.nll_loss(F.log_softmax(out, 1), y)",
        "loss = F.cross_entropy(30 * torch.tanh(out / 30), y)",
        "loss = F.cross_entropy(out, out.detach().softmax(1))",
        "loss = F.nll_loss((out.softmax(1) + 1e-8).log(), y)",
        "loss = F.binary_cross_entropy(out.sigmoid(), F.one_hot(y, 3).float())",
        "loss = F.binary_cross_entropy_with_logits(out, F.one_hot(y, 3).float())",
        "loss = F.kl_div(F.log_softmax(out, 1), F.one_hot(y, 3).float(), reduction='batchmean')",
        "loss = F.kl_div(F.log_softmax(out, 1), (-out).log_softmax(1).detach(), log_target=True)",
        "loss = F.mse_loss(out.softmax(1), F.one_hot(y, 3).float())",
    ],
)
def test_what_a_loss_expects_is_left_alone(loss: str, tmp_path: Path) -> None:
    assert [finding.message for finding in Looked(step(loss), tmp_path).graph] == []


@pytest.mark.parametrize(
    "loss",
    [
        "loss = F.nll_loss(out, y)  # nll-without-log-softmax",
        "loss = F.nll_loss(out.softmax(1), y)  # nll-without-log-softmax",
        "loss = F.nll_loss(torch.cat([out, net(x)]), y.repeat(2))  # nll-without-log-softmax",
    ],
)
def test_a_negative_log_likelihood_without_logarithm(loss: str, tmp_path: Path) -> None:
    check("nll-without-log-softmax", step(loss), tmp_path)


@pytest.mark.parametrize(
    "loss",
    [
        "loss = F.binary_cross_entropy_with_logits(out.sigmoid(), y)  # bce-mismatch",
        "loss = nn.BCEWithLogitsLoss()(torch.relu(out), y)  # bce-mismatch",
        "loss = F.binary_cross_entropy(out, y)  # bce-mismatch",
    ],
)
def test_binary_cross_entropy(loss: str, tmp_path: Path) -> None:
    layers = "nn.Linear(8, 1)"
    # Within [0, 1] by chance, or torch refuses it.
    start = "\n    net[0].weight.data.zero_(), net[0].bias.data.fill_(0.5)\n    def step"
    check("bce-mismatch", step(loss, layers, BINARY).replace("\n    def step", start), tmp_path)


@pytest.mark.parametrize(
    "loss",
    [
        "loss = F.binary_cross_entropy_with_logits(y, out.sigmoid())  # swapped-loss-arguments",
        "loss = F.cross_entropy(y, out)  # swapped-loss-arguments",
    ],
)
def test_the_target_first(loss: str, tmp_path: Path) -> None:
    data = BINARY.replace("(7, 1)", "(7, 3)")
    looked = check("swapped-loss-arguments", step(loss, data=data), tmp_path)
    assert "here `y` stands where" in looked.of("swapped-loss-arguments")[0].message


def test_a_target_that_is_trained_as_well_is_meant(tmp_path: Path) -> None:
    text = step("loss = F.binary_cross_entropy_with_logits(out, out.sigmoid())")
    assert Looked(text, tmp_path).of("swapped-loss-arguments") == []


@pytest.mark.parametrize(
    "loss",
    [
        "loss = F.kl_div(F.softmax(out, 1), F.one_hot(y, 3) / 1.0, reduction='batchmean')  # kl-div-misuse",
        "loss = F.kl_div(out, F.one_hot(y, 3) / 1.0, reduction='sum')  # kl-div-misuse",
        "loss = F.kl_div(out.log_softmax(1), out.detach().log_softmax(1), reduction='sum')  # kl-div-misuse",
    ],
)
def test_divergence_of_the_wrong_scale(loss: str, tmp_path: Path) -> None:
    check("kl-div-misuse", step(loss), tmp_path)


def test_divergence_averaged_over_the_classes(tmp_path: Path) -> None:
    text = """
        div = F.kl_div(F.log_softmax(out, 1), F.one_hot(y, 3) / 1.0)  # kl-div-misuse
        loss = div + F.cross_entropy(out, y)"""
    (finding,) = check("kl-div-misuse", step(text), tmp_path).of("kl-div-misuse")
    assert (finding.severity.value, "3 classes" in finding.message) == ("warning", True)


@pytest.mark.parametrize(
    ("layers", "loss"),
    [
        ("nn.Linear(8, 1)", "loss = F.cross_entropy(out, y * 0)  # single-logit-cross-entropy"),
        ("nn.Linear(8, 1)", "loss = (out.softmax(1) * x).sum()  # single-logit-cross-entropy"),
    ],
)
def test_one_logit(layers: str, loss: str, tmp_path: Path) -> None:
    check("single-logit-cross-entropy", step(loss, layers), tmp_path)


@pytest.mark.parametrize(
    "loss",
    [
        "loss = (out.view(7, 1, 4).softmax(1) * 2).sum()",
        "loss = (out.unsqueeze(1).softmax(1) * 2).sum()",
        "loss = (out.softmax(0) * 2).sum()",
    ],
)
def test_one_place_is_no_single_logit(loss: str, tmp_path: Path) -> None:
    looked = Looked(step(loss, "nn.Linear(8, 4)"), tmp_path)
    assert looked.of("single-logit-cross-entropy") == []
