"""The validation pass is a copy of the training pass, or the training pass has the wrong loader."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script

TRAINING = ("train_loader", "train_dl", "self.train_loader", "train_dataloader")
HELD = (
    "val_loader",
    "valid_loader",
    "valid_dl",
    "test_loader",
    "self.val_loader",
    "eval_dataloader",
    "dev_dl",
)


def plant(script: Script) -> Iterator[Mutant]:
    training = {script.source(found.node) for found in script.find(*TRAINING)}
    held = sorted({script.source(found.node) for found in script.find(*HELD)})
    if not held:
        return
    also = [found.node for found in script.find("_l.backward(...)", "_o.step(...)", "_s.step(_o)")]
    for node in ast.walk(script.tree):
        if (
            isinstance(node, ast.For)
            and script.source(node.iter) in training
            and list(script.find("_l.backward(...)", within=node))
        ):
            copied = script.moved(node).replace(script.source(node.iter), held[0], 1)
            evals = [
                found
                for found in script.find("_m.eval()")
                if script.function(found.node) is script.function(node) and found.node.lineno > node.lineno
            ]
            if evals:
                yield script.mutant(script.after(script.statement(evals[0].node), copied), also=also)
            yield script.mutant(script.replace(node.iter, held[0]), also=also)
    for name in sorted(training):
        for site in script.find(
            *(
                f"{function}(_a, {name}, ...)"
                for function in ("train", "train_epoch", "train_one_epoch", "run_train")
            )
        ):
            code = re.sub(rf"\b{re.escape(name)}\b", held[0], script.source(site.node), count=1)
            yield script.mutant(script.replace(site.node, code), also=also)
