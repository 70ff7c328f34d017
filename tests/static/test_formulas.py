"""Formulas as algebra: terms, exponents, densities, reductions, positions of tokens, rates."""

from __future__ import annotations

import pytest
from reading import model_of, value_named

from nnlint.static.gaussians import densities, is_divergence, samples
from nnlint.static.padding import padding_of
from nnlint.static.rates import SOME, evaluate, shut
from nnlint.static.reductions import reduction
from nnlint.static.terms import exponent, product, terms, whole_terms
from nnlint.static.tokens import positions, read_by, same_tokens

HEAD = """
        import torch
        import torch.nn.functional as F
        from torch import nn
        net = nn.Linear(8, 8)
        """


def test_a_sum_is_its_terms_however_it_is_written() -> None:
    script = model_of(HEAD + "v = net(torch.ones(1, 8)); total = -0.5 * torch.sum(1 + v - v.pow(2))")
    total = value_named(script, "total")
    assert [term.factor for term in terms(total)] == [-0.5, -0.5, 0.5]
    assert [(term.factor, term.value.op) for term in whole_terms(total)] == [(-0.5, "sum")]
    assert terms(total, most=2) == []


def test_a_product_has_a_constant_factors_and_divisors() -> None:
    script = model_of(HEAD + "v = net(torch.ones(1, 8)); w = net(v); p = 2 * v.mul(3) / (w * 4)")
    constant, above, below = product(value_named(script, "p"))
    assert (constant, len(above), len(below)) == (1.5, 1, 1)


@pytest.mark.parametrize(
    ("code", "factor"),
    [
        ("torch.exp(v)", 1.0), ("(0.5 * v).exp()", 0.5), ("torch.exp(v / 2)", 0.5), ("v.exp().sqrt()", 0.5),
        ("torch.exp(v) ** 0.5", 0.5), ("torch.exp(-v)", -1.0), ("1 / torch.exp(v)", -1.0),
        ("v.mul(0.5).exp_()", 0.5),
    ],
)  # fmt: skip
def test_exponents_in_any_spelling(code: str, factor: float) -> None:
    script = model_of(HEAD + f"v = net(torch.ones(1, 8)); s = {code}")
    found = exponent(value_named(script, "s"))
    assert found is not None
    assert found.factor == factor


@pytest.mark.parametrize(
    ("code", "factor"),
    [
        ("-0.5 * torch.sum(1 + v - m**2 - v.exp())", 1.0),
        ("0.5 * (v.exp() + m.pow(2) - 1 - v).sum()", 1.0),
        ("-0.5 * (1 + 2 * v - m**2 - torch.exp(2 * v)).mean()", 2.0),
        ("(0.5 * v + 0.5 * (x - m) ** 2 / torch.exp(v)).mean()", 1.0),
        ("(v + 0.5 * ((x - m) / torch.exp(v)) ** 2).mean()", 2.0),
    ],
)
def test_what_a_formula_takes_as_the_variance(code: str, factor: float) -> None:
    script = model_of(HEAD + f"x = torch.ones(1, 8); m = net(x); v = net(m); loss = {code}")
    assert {found.log.factor for found in densities(script) if found.log is not None} == {factor}


def test_an_unbalanced_formula_is_no_divergence() -> None:
    script = model_of(
        HEAD + "m = net(torch.ones(1, 8)); s = F.softplus(net(m)); k = s**2 + m**2 - torch.log(s) - 0.5"
    )
    assert not is_divergence(value_named(script, "k"))


def test_noise_and_its_scale() -> None:
    code = "m = net(torch.ones(1, 8)); s = net(m); z = torch.randn_like(m).mul(s).add_(m)"
    script = model_of(HEAD + code)
    (found,) = samples(script)
    assert found.scales[0] is value_named(script, "s")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("F.mse_loss(net(x), x)", "mean"), ("F.mse_loss(net(x), x, reduction='sum')", "sum"),
        ("(net(x) - x).abs().mean()", "mean"), ("net(x).abs().sum()", "sum"),
        ("net(x).abs().sum(dim=1)", None),
        ("net(x).abs().sum(dim=1).mean()", "mean"), ("torch.mean(-0.5 * net(x).sum())", "sum"),
        ("net(x).abs().sum() / len(x)", None), ("net.weight.pow(2).sum()", None),
    ],
)  # fmt: skip
def test_how_a_term_stands_for_its_batch(code: str, kind: str | None) -> None:
    script = model_of(HEAD + f"x = torch.ones(4, 8); term = {code}")
    assert reduction(value_named(script, "term")) == kind


def test_slices_of_one_sequence() -> None:
    script = model_of(HEAD + "def f(ids: torch.Tensor):\n            y = ids[:, :-1][:, 1:].reshape(-1)")
    found = positions(value_named(script, "y"))
    assert found is not None
    assert (found.sequence.name, found.slices) == ("ids", ((1, 1),))


def test_a_network_that_keeps_positions_can_copy() -> None:
    script = model_of(
        HEAD
        + """
        embed, gru, head = nn.Embedding(9, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 9)

        def f(ids: torch.Tensor):
            plain = head(embed(ids))
            scores = head(gru(embed(ids[:, 1:]))[0])
            code = head(gru(embed(ids))[1])
        """
    )
    assert read_by(value_named(script, "plain")) == []
    assert [found.slices for found in read_by(value_named(script, "scores"))] == [((1, 1),)]
    assert read_by(value_named(script, "code")) == []


def test_cuts_by_the_same_numbers_are_the_same() -> None:
    script = model_of(
        HEAD
        + """
        data = torch.arange(100)
        at = torch.randint(90, (4,))
        a = torch.stack([data[i : i + 8] for i in at])
        b = torch.stack([data[i : i + 8] for i in at])
        c = torch.stack([data[i + 1 : i + 9] for i in at])
        """
    )
    a, b, c = (value_named(script, name) for name in "abc")
    assert same_tokens(a, b)
    assert not same_tokens(a, c)


def test_padding_by_the_loaders_own_collate_function() -> None:
    script = model_of(
        """
        from torch.nn.utils.rnn import pad_sequence
        from torch.utils.data import DataLoader

        def collate(samples):
            return pad_sequence(samples, padding_value=7), [len(s) for s in samples]

        for x, lengths in DataLoader(data, collate_fn=collate):
            target = x
        """
    )
    found = padding_of(script, value_named(script, "target"))
    assert found is not None
    assert found.fill == 7


@pytest.mark.parametrize(
    ("code", "moment", "rate"),
    [
        ("e / warmup", 0.0, 0.0), ("e / warmup", 1.0, SOME), ("min(1.0, e / warmup)", 0.0, 0.0),
        ("0.1 ** (e // 30)", 30.0, 0.1), ("0.5 * e if e < 4 else 1.0", 2.0, 1.0),
        ("0.5 * e if e < 4 else 1.0", 4.0, 1.0),
        ("e - warmup", 0.0, None),
    ],
)  # fmt: skip
def test_rates_at_a_moment(code: str, moment: float, rate: object) -> None:
    script = model_of(f"def f(e, warmup):\n    rate = {code}")
    counter = next(part for part in value_named(script, "rate").graph() if part.name == "e")
    assert evaluate(value_named(script, "rate"), counter, moment) == pytest.approx(rate)


def test_tests_that_exclude_each_other() -> None:
    script = model_of(
        """
        def f(e):
            if e >= 30:
                a = 1
            elif e >= 60:
                b = 1
            if e > 10:
                if e < 20:
                    c = 1
        """
    )
    frames = {fact.name: fact.frame for fact in script.facts if fact.kind == "name"}
    assert shut(frames["a"]) is None
    assert shut(frames["b"]) is not None
    assert shut(frames["c"]) is None
