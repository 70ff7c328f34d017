"""A recurrent layer or attention takes the batch for the sequence.

Not one that reads packed sequences, which have no axis for the batch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find(
        *(
            f"_n.{kind}(..., batch_first=True)"
            for kind in ("LSTM", "GRU", "RNN", "MultiheadAttention", "TransformerEncoderLayer", "Transformer")
        )
    ):
        kind = next(script.around(site.node, ast.ClassDef), script.tree)
        if "pack_padded_sequence(" in script.source(kind):
            continue
        code = re.sub(r",?\s*batch_first=True", "", script.source(site.node))
        target = script.statement(site.node)
        calls = []
        if isinstance(target, ast.Assign):
            name = script.source(target.targets[0])
            calls = [found.node for found in script.find(f"{name}(...)")]
        yield script.mutant(script.replace(site.node, code), also=calls)
