"""See rules/sampling-formula.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule
from nnlint.static.gaussians import UNIFORM_NOISE, Density, densities, is_noise, samples
from nnlint.static.terms import Term, exponent, identity

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

_LOG_VARIANCE = re.compile(
    r"log_?_?(?:var|variance|sigma_?(?:2|sq|squared))\w*|\w*_log_?var|lv", re.IGNORECASE
)


class SamplingFormula(Rule):
    words = ("randn", "rand_like", "normal_", "Normal", "torch.rand")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if "exp" not in script.source.text and "log" not in script.source.text:
            return
        known = list(densities(script))
        yield from self._variances(script, known)
        drawn = [
            (sample, scale, power)
            for sample in samples(script)
            for scale in sample.scales
            if (power := exponent(scale)) is not None and power.factor > 0
        ]
        halves = {identity(power.value) for _, _, power in drawn if power.factor == 0.5}
        for sample, scale, power in drawn:
            density = next((found for found in known if found.log and _same(found.log, power)), None)
            at, noise = scale.node or sample.call.node, sample.noise
            if at is None:
                continue
            if power.factor == 1 and sample.factor == 0.5 and (density is not None or _is_log(power)):
                name = script.name_of(power.value, "log_var")
                yield self.problem(
                    sample.call.node or at,
                    f"the half stands before `{script.text(at)}`, which is the variance, and not in its "
                    f"exponent: half the variance is not the standard deviation; use "
                    f"`torch.exp(0.5 * {name})`",
                    related=((at, "the variance"),),
                )
            elif density is not None and density.log is not None and density.log.factor == power.factor:
                name = script.name_of(power.value, "log_var")
                where = density.call.node
                yield self.problem(
                    at,
                    f"`{script.text(at)}` scales the noise as a standard deviation, but {density.what} "
                    f"takes it as the variance: the samples do not have the spread that the loss assumes; "
                    f"use `torch.exp(0.5 * {name})`",
                    related=((where, density.what),),
                )
            elif (
                noise is not None
                and is_noise(noise, UNIFORM_NOISE)
                and (density is not None or identity(power.value) in halves)
            ):
                yield self.problem(
                    noise.node or at,
                    f"`{script.text(noise.node)}` is uniform on [0, 1), so every sample lies above the "
                    f"mean; the reparametrisation needs standard normal noise, `torch.randn_like`",
                )

    def _variances(self, script: ScriptModel, known: list[Density]) -> Iterator[Problem]:
        """Scales that a formula takes as variances by their own name."""
        for sample in samples(script):
            for scale in sample.scales:
                density = next(
                    (f for f in known if f.variance is not None and identity(f.variance) == identity(scale)),
                    None,
                )
                at = sample.call.node
                if density is not None and at is not None:
                    where = density.call.node
                    yield self.problem(
                        at,
                        f"`{script.name_of(scale)}` scales the noise as a standard deviation, but "
                        f"{density.what} takes it as the variance; use "
                        f"`torch.sqrt({script.name_of(scale)})`",
                        related=((where, density.what),),
                    )


def _is_log(power: Term) -> bool:
    return _LOG_VARIANCE.fullmatch(power.value.name.rpartition(".")[2].lstrip("_")) is not None


def _same(log: Term, power: Term) -> bool:
    """Whether two exponents speak of one log-variance; where no call connects them, by name."""
    if identity(log.value) == identity(power.value):
        return True
    names = {log.value.name.lstrip("_"), power.value.name.lstrip("_")}
    return len(names) == 1 and _LOG_VARIANCE.fullmatch(names.pop()) is not None
