"""A debugging aid is left on."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("_m.manual_seed(_s)"):
        if script.alone(site.node) and script.spelling("torch.autograd") == "torch.autograd":
            yield script.mutant(
                script.after(script.statement(site.node), "torch.autograd.set_detect_anomaly(True)")
            )
