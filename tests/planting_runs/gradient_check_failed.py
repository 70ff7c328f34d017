"""An activation with a backward of its own, and a wrong one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from planted import Mutant, Script

_CLASS = """class Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (1 + torch.tanh(x) ** 2)

"""


def plant(script: Script) -> Iterator[Mutant]:
    if script.spelling("torch.tanh") != "torch.tanh":
        return
    first = next((node for node in script.tree.body if isinstance(node, ast.ClassDef)), None)
    for site in script.find("_f.relu(_x)", "_f.gelu(_x)", "_f.tanh(_x)"):
        if first is not None and any(script.function(site.node) is it for it in script.methods("forward")):
            code = script.filled("Activation.apply(_x)", site)
            yield script.mutant(script.before(first, _CLASS), script.replace(site.node, code))
