"""The causal mask is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import run_sites
from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    everywhere = run_sites.everywhere(script)
    for site in script.find("_f(..., is_causal=True)"):
        code = script.source(site.node).replace("is_causal=True", "is_causal=False")
        yield script.mutant(script.replace(site.node, code), at=everywhere)
    for site in script.find("_s.masked_fill(_m, float('-inf'))"):
        if re.search("causal|future|subsequent|tril|triu", script.source(site.bound["_m"])):
            yield script.mutant(script.replace(site.node, script.filled("_s", site)), at=everywhere)
    for site in script.find("_f(..., tgt_mask=_k)", "_f(..., mask=_k)", "_f(..., attn_mask=_k)"):
        yield script.mutant(script.replace(site.bound["_k"], "None"), at=everywhere)
