"""Whether a figure is better when it is lower or when it is higher.

How it is computed decides: what comes from a loss or an error is better lower, what counts agreements is
better
higher, whatever the variable is called. Its name is the last and weakest hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from nnlint.static import duck, torch_api
from nnlint.static.values import Kind, Value


class Better(Enum):
    """The direction in which a figure improves."""

    LOWER = "lower"
    HIGHER = "higher"

    @property
    def opposite(self) -> Better:
        return Better.HIGHER if self is Better.LOWER else Better.LOWER


# -- names ------------------------------------------------------------------------------------------

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z]|\b|_|\d)|[A-Z]?[a-z]+|[A-Z]+")
_LOWER = frozenset({
    "loss", "losses", "err", "error", "errors", "mse", "rmse", "mae", "mape", "smape", "rmsle", "msle",
    "nmse", "mpe",
    "ppl", "perplexity", "nll", "bce", "wer", "cer", "fid", "bpc", "bpd", "bpb", "eer", "ade", "fde", "lpips",
    "mpjpe", "epe", "crossentropy", "mred",
})  # fmt: skip
_HIGHER = frozenset({
    "acc", "accs", "accuracy", "accuracies", "auc", "auroc", "auprc", "f", "fscore", "iou", "miou",
    "dice", "prec",
    "precision", "recall", "bleu", "psnr", "ssim", "map", "jaccard", "kappa", "mcc", "rouge", "cider",
    "meteor",
    "specificity", "sensitivity", "top", "reward", "rewards", "ndcg", "mrr", "correct", "corrects",
    "likelihood",
})  # fmt: skip
_NEGATES = frozenset({"neg", "negative", "minus", "inv", "inverse", "inverted", "non", "not", "misclass"})


def better_by_name(name: str) -> Better | None:
    """The direction that a name suggests; None where it suggests neither, both, or a turned figure."""
    words = {word.lower() for word in _WORDS.findall(name.rpartition(".")[2])}
    if words & _NEGATES:
        return None
    lower, higher = bool(words & _LOWER), bool(words & (_HIGHER - {"f", "top", "map"}))
    if not lower and re.search(r"(?:^|_)(?:f1|f_?score|top[15k]|m_?ap)(?:$|_)", name, re.IGNORECASE):
        higher = True
    if lower is higher:
        return None
    return Better.LOWER if lower else Better.HIGHER


def announces(name: str) -> Better | None:
    """What a name says of itself: `min_loss` keeps the lowest, `max_norm` the highest."""
    words = {word.lower() for word in _WORDS.findall(name.rpartition(".")[2])}
    lowest = bool(words & {"min", "minimum", "lowest", "smallest", "least"})
    highest = bool(words & {"max", "maximum", "highest", "largest", "peak", "most"})
    if lowest is highest:
        return None
    return Better.LOWER if lowest else Better.HIGHER


# -- data flow --------------------------------------------------------------------------------------

# Operations that keep the order of numbers.
_KEEPS = torch_api.LOOK_THROUGH | {
    "item", "tolist", "numpy", "detach", "data", "sum", "mean", "sqrt", "log", "log10", "log2", "log1p",
    "exp",
    "builtins.float", "builtins.round", "builtins.sum", "numpy.mean", "numpy.sum", "numpy.array",
    "numpy.average",
    "numpy.asarray", "numpy.sqrt", "numpy.exp", "numpy.log", "numpy.log10", "numpy.median",
    "numpy.nanmean", "math.exp",
    "math.sqrt", "math.log", "math.log10", "statistics.mean", "statistics.fmean", "builtins.int",
    "nanmean", "median",
    "round", "builtins.list", "torch.Tensor", "stack", "cat", "tensor", "as_tensor", "all_reduce",
    "clamp", "float",
    "item_of", "int",
}  # fmt: skip
_NAMED = re.compile(
    r"^(?:sklearn\.metrics|torchmetrics|evaluate|skimage\.metrics|ignite\.metrics|torch_fidelity)\b"
)
_FEEDS = frozenset({".compute", ".result", "call", "module_call", ".get", ".item", ".value"})
_DEEPEST = 24


def better(value: Value) -> Better | None:
    """The direction in which a figure improves, from how it is computed; else from what its maker is
    called."""
    return _flow(value, 0, set())


def _flow(value: Value, depth: int, seen: set[int]) -> Better | None:
    if depth > _DEEPEST or id(value) in seen:
        return None
    seen = seen | {id(value)}
    below = depth + 1
    if value.alts:
        return _agreed(_flow(part, below, seen) for part in value.alts[:8] if part.kind is not Kind.CONST)
    op = value.op
    if op in torch_api.LOSSES:
        return Better.LOWER
    if op == "neg":
        return _turned(_flow(value.args[0], below, seen))
    if op in {"add", "sub", "mul", "div", "floor_divide", "pow"} and len(value.args) == 2:
        return _arithmetic(value, below, seen)
    if op in {
        "abs",
        "square",
        "norm",
        "vector_norm",
        "builtins.abs",
        "numpy.abs",
        "numpy.square",
        "math.fabs",
    }:
        return Better.LOWER if value.args and _is_difference(value.args[0]) else None
    if op in {"eq", "ne"} and len(value.args) == 2:
        return _agreement(value)
    if op in _KEEPS and value.args:
        return _flow(value.args[0], below, seen)
    if value.kind is Kind.SEQUENCE and op in {"list", "tuple", "comprehension", "generator"}:
        items = [value.element] if value.element is not None else value.args[:8]
        return _agreed(_flow(item, below, seen) for item in items)
    if _NAMED.match(op):
        return better_by_name(op)
    if op == "module_call" and value.result is not None:
        return _flow(value.result, below, seen)
    if op in _FEEDS and value.receiver is not None:
        maker = value.receiver
        if op in {"module_call", "call"} and value.result is None and duck.is_loss_name(maker.name):
            return Better.LOWER
        return better_by_name(maker.op) if _NAMED.match(maker.op) else None
    return None


def _arithmetic(value: Value, depth: int, seen: set[int]) -> Better | None:
    left, right = value.args
    first, second = _flow(left, depth, seen), _flow(right, depth, seen)
    if value.op == "pow":
        return Better.LOWER if _is_difference(left) and right.is_const(2, 2.0) else first
    if value.op == "add":
        return first if second is None else second if first is None else first if first is second else None
    if value.op == "sub":
        if left.kind is Kind.CONST:
            return _turned(second)
        if right.kind is Kind.CONST:
            return first
        return None
    if value.op == "mul":
        for factor, other in ((left, second), (right, first)):
            if factor.kind is Kind.CONST:
                negative = isinstance(factor.const, (int, float)) and factor.const < 0
                return _turned(other) if negative else other
        return first if second is None else second if first is None else None
    if left.kind is Kind.CONST:
        return _turned(second)
    if _is_difference(left) or (left.op in {"abs"} and first is Better.LOWER):
        return first
    return first if second is None or first is second else None


def _turned(found: Better | None) -> Better | None:
    return found.opposite if found is not None else None


def _agreed(parts: Iterable[Better | None]) -> Better | None:
    found = {part for part in parts if part is not None}
    return found.pop() if len(found) == 1 else None


def _is_difference(value: Value) -> bool:
    """`prediction - target`, perhaps rearranged."""
    return any(
        part.op == "sub" and part.kind is not Kind.CONST for part in value.sources(torch_api.LOOK_THROUGH)
    )


# What turns scores into predicted classes.
_DECISIONS = frozenset({"argmax", "topk_indices", "round", "gt", "ge", "lt", "le", "numpy.argmax", "argmin"})


def _agreement(value: Value) -> Better | None:
    """`prediction == target` counts hits, `!=` counts misses."""
    for side in value.args:
        for part in side.graph(lambda part: part.op == "module_call" or part.op in _DECISIONS):
            if part.op in _DECISIONS:
                return Better.HIGHER if value.op == "eq" else Better.LOWER
    return None


def never_negative(value: Value, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a figure is surely zero or more; a running total is if its start and its summands are."""
    if id(value) in seen:
        return True
    if len(seen) > _DEEPEST:
        return False
    seen |= {id(value)}
    if value.alts:
        parts = [part for part in value.alts if not part.is_const(None)]
        return bool(parts) and all(never_negative(part, seen) for part in parts)
    if value.kind is Kind.CONST:
        return isinstance(value.const, (int, float)) and value.const >= 0
    if value.op in _NEVER_NEGATIVE:
        return True
    if value.op in {"add", "mul", "div"}:
        return all(never_negative(part, seen) or part.kind is Kind.SIZE for part in value.args)
    if value.op in _KEEPS - {"log", "log2", "log10", "numpy.log", "math.log"} and value.args:
        return never_negative(value.args[0], seen)
    return value.op.startswith("sklearn.metrics.") and better_by_name(value.op) is not None


_NEVER_NEGATIVE = frozenset({
    "cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "builtins.len", "size", "numel", "eq", "ne", "abs", "square", "norm",
})  # fmt: skip
