"""How a loss term stands for its batch: as the mean over the samples, or as their sum."""

from __future__ import annotations

from nnlint.static import torch_api
from nnlint.static.arguments import argument, constant, surely_absent
from nnlint.static.gaussians import is_divergence
from nnlint.static.scores import is_network_call
from nnlint.static.terms import itself, product
from nnlint.static.values import Kind, Value

# A reduction over these runs over a list that the script put together, not over the samples of a batch.
GATHERED = frozenset({"stack", "cat", "tensor", "as_tensor", "builtins.sum"})
AVERAGES = frozenset({"mean", "batchmean"})


def reduction(value: Value) -> str | None:
    """ "mean" or "sum" over the samples of a batch; None where that is not sure."""
    value = itself(value)
    if value.op in torch_api.LOSSES:
        return _of_loss(value)
    if value.op not in {"mean", "sum"} or not value.args or value.kind is not Kind.TENSOR:
        return None
    inner = itself(value.args[0])
    factors = product(inner)[1]
    if any(_is_unseen_loss(part) for part in factors):
        return None
    whole = next((part for part in factors if _is_scalar(part)), None)
    if whole is not None:  # the mean of one number, or of the replicas' numbers
        return reduction(whole)
    if inner.op in GATHERED or inner.kind in (Kind.SEQUENCE, Kind.UNKNOWN) or inner.alts:
        return None
    over = argument(value, "dim")
    if over is None and not surely_absent(value, "dim"):
        return None
    if over is not None and not (value.op == "mean" and over.is_const(0)):
        return None
    if any(_over_samples(part) for part in inner.graph(is_network_call)):
        return None  # what is left of the batch are its classes or features
    return value.op if _of_samples(inner) else None


def _over_samples(value: Value) -> bool:
    """Whether it takes the mean or the sum over the batch's axis, and leaves others."""
    over = argument(value, "dim") if value.op in {"mean", "sum"} else None
    return over is not None and over.is_const(0)


def _is_unseen_loss(value: Value) -> bool:
    """What something of another file makes of a prediction and something else: one number, or one for each
    layer, as likely as one for each sample."""
    return (
        (is_network_call(value) or value.op == "call")
        and value.op not in torch_api.LOSSES
        and len(value.args) > 1
        and any(is_network_call(part) for arg in value.args for part in arg.graph())
    )


def _is_scalar(value: Value) -> bool:
    """Whether everything has been reduced to one number."""
    if value.op in torch_api.LOSSES:
        return constant(value, "reduction", "mean") != "none"
    return value.op in {"mean", "sum"} and surely_absent(value, "dim")


def _of_loss(loss: Value) -> str | None:
    """The reduction of a loss function that is called on whole batches."""
    kind = constant(loss, "reduction", "mean")
    old = (constant(loss, "size_average", None), constant(loss, "reduce", None))
    if old == (False, None) and kind == "mean":
        return "sum"
    if old != (None, None) or not _of_samples(loss):
        return None
    return "mean" if kind in AVERAGES else "sum" if kind == "sum" else None


def _of_samples(value: Value) -> bool:
    """Whether it is computed from what a network gave for a batch; parameters of a loss function that no call
    in the file explains are that where the loss, or the KL term, takes nothing else."""
    if value.op in torch_api.LOSSES and all(itself(part).op == "param" for part in value.args[:2]):
        return True
    for part in value.graph(lambda part: part.op in {"batch", "batch_item"} or is_network_call(part)):
        if is_network_call(part):
            return True
    return is_divergence(value) and not any(part.kind is Kind.PARAMETER for part in value.graph())
