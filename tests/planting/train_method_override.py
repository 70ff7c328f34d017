"""`train` means something else, or the flag is set by hand."""

from __future__ import annotations

from collections.abc import Iterator

from planted import Mutant, Script


def plant(script: Script) -> Iterator[Mutant]:
    for site in script.find("model.eval()", "net.eval()", "self.model.eval()", "gcn.eval()"):
        code = script.source(site.node).replace(".eval()", ".training = False")
        yield script.mutant(script.replace(site.node, code))
    for node in script.classes("Module"):
        forward = next((item for item in node.body if getattr(item, "name", "") == "forward"), None)
        if forward is not None and "Lit" not in node.name:
            yield script.mutant(
                script.after(
                    forward,
                    "\ndef train(self, x, y):\n    loss = ((self(x) - y) ** 2).mean()\n"
                    "    loss.backward()\n    return loss.item()",
                )
            )
