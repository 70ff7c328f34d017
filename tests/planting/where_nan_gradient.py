"""The branch that is not taken still sends its NaN back."""

from __future__ import annotations

from collections.abc import Iterator

import sites
from planted import Mutant, Script, Site


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.sqrt(_x.clamp(...))", "_x.clamp(...).sqrt()"):
        if "math" not in script.source(site.node):
            yield _guarded(script, site, "sqrt")
    for site in script.find("_m.log(_x.clamp(...))", "_x.clamp(...).log()"):
        if ".item()" not in script.source(script.statement(site.node)):
            yield _guarded(script, site, "log")
    for site in script.find("_f.pairwise_distance(_a, _b)", "F.pairwise_distance(_a, _b)"):
        if not sites.evaluates(script, site.node):
            yield _guarded(script, site, "sqrt", "((_a - _b) ** 2).sum(dim=1)")


def _guarded(script: Script, site: Site, operation: str, inside: str = "_x") -> Mutant:
    """The operation where its argument is positive; that argument has a name, as nobody writes it thrice."""
    made = script.before(script.statement(site.node), script.filled(f"inside = {inside}", site))
    code = f"torch.where(inside > 0, torch.{operation}(inside), torch.zeros_like(inside))"
    return script.mutant(made, script.replace(site.node, code))
