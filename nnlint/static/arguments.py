"""Arguments by name, however they were given: position, keyword, method receiver, or at construction."""

from __future__ import annotations

from nnlint.static import torch_api
from nnlint.static.values import Kind, Value


def argument(call: Value, name: str) -> Value | None:
    """The argument `name` of an operation or constructor; None where it was not given.

    For a module's operation (`nn.Softmax(dim=1)(x)` is `softmax`) what the constructor was given counts too.
    """
    if name in call.kwargs:
        return call.kwargs[name]
    if name == "dim" and "axis" in call.kwargs:  # NumPy's word for it, which torch takes too
        return call.kwargs["axis"]
    signature = torch_api.SIGNATURES.get(call.op) or torch_api.CONSTRUCTORS.get(
        call.op.rpartition(".")[2], ()
    )
    if (
        call.receiver is not None
        and call.receiver.kind is Kind.MODULE
        and call.receiver.op.startswith("torch.nn.")
    ):
        if name in {"input", "target"}:
            position = ("input", "target").index(name)
            return call.args[position] if position < len(call.args) else None
        return argument(call.receiver, name)
    if name in signature:
        position = signature.index(name)
        if position < len(call.args) and not any(arg.op == "star" for arg in call.args[: position + 1]):
            return call.args[position]
    return None


def surely_absent(call: Value, name: str) -> bool:
    """Whether the argument was certainly not given (no `*args` or `**kwargs` could have brought it)."""
    if argument(call, name) is not None:
        return False
    made = call.receiver if call.receiver is not None and call.receiver.op.startswith("torch.nn.") else call
    return "**" not in made.kwargs and not any(arg.op == "star" for arg in made.args)


def constant(call: Value, name: str, default: object = None) -> object:
    """The constant given for `name`; `default` where none was given; `...` where it is not known."""
    value = argument(call, name)
    if value is None:
        return default if surely_absent(call, name) else ...
    return value.const if value.kind is Kind.CONST else ...
