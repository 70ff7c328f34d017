"""Loops that come after the first one and train with other optimizers have first steps of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import GAN, HEAD, LOADER

from nnlint.capture.plan import FirstStep, Request
from nnlint.capture.supervise import capture
from nnlint.experiments.loops import LATER
from nnlint.registry import pages, rules

PRE_TRAINED = """
loader = DataLoader(data, 16, shuffle=True)
encoder, decoder = nn.Sequential(nn.Linear(6, 4), nn.Tanh()), nn.Linear(4, 6)
auto = nn.Sequential(encoder, decoder)
def pretrain():
    opt = torch.optim.Adam(auto.parameters())
    for epoch in range(20):
        for x, _ in loader:
            opt.zero_grad()
            F.mse_loss(auto(x), x).backward()
            opt.step()
pretrain()
middle, out = nn.Linear(4, 6), nn.Linear(6, 1)
net = nn.Sequential(encoder, middle, nn.ReLU(), out)
"""
BY_LOADER = """
for x, y in loader:
    opt.zero_grad()
    F.binary_cross_entropy_with_logits(net(x).squeeze(1), y.float()).backward()
    opt.step()
"""
BY_HAND = """
for step in range(50):
    opt.zero_grad()
    F.binary_cross_entropy_with_logits(net(features).squeeze(1), labels.float()).backward()
    opt.step()
"""
FROZEN = "[p.requires_grad_(False) for p in middle.parameters()]"
WHOLE = "opt = torch.optim.SGD([*middle.parameters(), *out.parameters()], lr=0.1)"
FOLDS = """
for fold in range(3):
    net = nn.Linear(6, 2)
    opt = torch.optim.Adam(net.parameters())
    for epoch in range(2):
        for x, y in DataLoader(data, 16, shuffle=True):
            opt.zero_grad()
            F.cross_entropy(net(x), y).backward()
            opt.step()
"""
SELDOM = GAN.replace("of_make.step()", "if (epoch + 1) % 3 == 0: of_make.step()")


def later(text: str, folder: Path) -> tuple[list[FirstStep], set[str]]:
    """The first steps after the first, and the rules that need nothing else and speak."""
    script = folder / "train.py"
    script.write_text(HEAD + text)
    seen = capture(Request(str(script)), (LATER,))
    assert seen.not_run == [], seen.output
    assert seen.first_steps[0] is seen.first_step
    judges = [rule for rule in rules([page.code for page in pages()]) if rule.continuations == (LATER,)]
    assert {rule.page.code for rule in judges} == {"NNL105", "NNL210", "NNL211", "NNL313", "NNL314", "NNL408"}
    return seen.later_steps, {rule.page.name for rule in judges for _ in rule.check_runs(seen)}


@pytest.mark.parametrize("loop", [BY_LOADER, BY_HAND])
def test_a_sound_loop_after_a_pre_training(loop: str, tmp_path: Path) -> None:
    text = PRE_TRAINED + WHOLE + loop
    (step,), speaking = later(text, tmp_path)
    assert speaking == set()
    assert step.place is not None
    assert (HEAD + text).splitlines()[step.place.row - 1].lstrip().startswith(("for x, y", "F.binary"))
    (root,) = step.roots
    # The encoder gets gradients, and its optimizer is gone; it has had its training.
    assert [parameter.earlier for parameter in root.parameters] == [True, True, False, False, False, False]
    assert [entry.class_name for entry in step.optimizers if entry.steps] == ["SGD"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("*middle.parameters(), ", ""), "optimizer-misses-parameters"),
        (("y.float()", "3 * y.float()"), "target-out-of-range"),
        (
            ("[*middle.parameters(), *out.parameters()]", FROZEN),
            "everything-frozen",
        ),
    ],
)  # fmt: skip
def test_a_faulty_loop_after_a_sound_one(change: tuple[str, str], rule: str, tmp_path: Path) -> None:
    text = (WHOLE + BY_LOADER).replace(*change)
    assert text != WHOLE + BY_LOADER
    steps, speaking = later(PRE_TRAINED + text, tmp_path)
    assert len(steps) == 1
    assert rule in speaking


@pytest.mark.parametrize("script", [LOADER, GAN, SELDOM, FOLDS], ids=["one", "gan", "seldom", "folds"])
def test_one_loop_or_the_same_again(script: str, tmp_path: Path) -> None:
    assert later(script, tmp_path) == ([], set())
