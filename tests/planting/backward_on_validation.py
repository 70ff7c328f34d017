"""The validation pass trains, or the test set is trained on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    training = {
        script.source(found.node)
        for found in script.find("train_loader", "train_dl", "self.train_loader", "train_dataloader")
    }
    held = {
        script.source(found.node)
        for found in script.find(
            "val_loader",
            "valid_loader",
            "valid_dl",
            "test_loader",
            "self.val_loader",
            "eval_dataloader",
            "dev_dl",
        )
    }
    for node in ast.walk(script.tree):
        if isinstance(node, ast.For) and script.source(node.iter) in training and held:
            if any(script.find("_l.backward(...)", within=node)):
                backs = [found.node for found in script.find("_l.backward(...)", within=node)]
                steps = [found.node for found in script.find("_o.step(...)", within=node)]
                yield script.mutant(script.replace(node.iter, sorted(held)[0]), also=[*backs, *steps])
    # Its own training pass is called with the other loader.
    for name in sorted(training):
        for site in script.find(
            f"train(_a, {name}, ...)",
            f"train_epoch(_a, {name}, ...)",
            f"train_one_epoch(_a, {name}, ...)",
            f"run_train(_a, {name}, ...)",
        ):
            for other in sorted(held)[:1]:
                backs = [
                    found.node for found in script.find("_l.backward(...)", "_o.step(...)", "_s.step(_o)")
                ]
                code = re.sub(rf"\b{re.escape(name)}\b", other, script.source(site.node), count=1)
                loops = [inner for inner in ast.walk(script.tree) if isinstance(inner, ast.For)]
                yield script.mutant(script.replace(site.node, code), also=[*backs, *loops])
