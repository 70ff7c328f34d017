"""Which positions of one sequence a tensor holds: slices, and networks that keep positions in place."""

from __future__ import annotations

from dataclasses import dataclass

from nnlint.static import torch_api
from nnlint.static.values import Kind, Value

# The same numbers in the same order; a clone may be changed in place, so it is another sequence.
SAME = (torch_api.LOOK_THROUGH - {"clone", "expand", "expand_as"}) | {"detach", "variable"}
TURNS = frozenset({"permute", "transpose", "t", "movedim"})
# Each output position is made from its own input position, or from it and others.
POINTWISE = frozenset({
    "linear", "layer_norm", "rms_norm", "dropout", "relu", "gelu", "silu", "tanh", "sigmoid", "leaky_relu",
    "elu", "log_softmax", "batch_norm",
})  # fmt: skip
RECURRENT = frozenset({"lstm", "gru", "rnn"})
MIXING = RECURRENT | {
    "transformer_encoder", "transformer_encoder_layer", "transformer_decoder", "transformer_decoder_layer",
}  # fmt: skip
# A network with one of these reads a position's neighbours: a language model, not a table of embeddings.
CONTEXT = MIXING | {
    "transformer",
    "scaled_dot_product_attention",
    "multihead_attention",
    "softmax",
    "lstm_cell",
    "gru_cell",
}
NOISE = frozenset({"randn", "randn_like", "normal_", "gumbel_softmax", "argmin"})  # an autoencoder's code
LOOKUPS = frozenset({"embedding", "one_hot"})
CAUSAL_MODELS = ("ForCausalLM", "LMHeadModel")
# Made from the same parts they are the same: `torch.stack([data[i : i + n] for i in starts])`.
CUTS = frozenset(
    {"stack", "comprehension", "getitem", "slice", "add", "sub", "index", "from_numpy", "tensor", ".astype"}
)
_DEEPEST = 120

Slices = tuple[tuple[int, int], ...]  # axis -> first position, in order of application


@dataclass(frozen=True)
class Positions:
    """`sequence` read from these positions on; `slices` has one entry for each slice that drops some."""

    sequence: Value
    slices: Slices


def positions(value: Value) -> Positions | None:
    """The sequence behind reshapes and slices; None where a slice of turned axes is not known."""
    slices: list[tuple[int, int]] = []
    turned = False
    for _ in range(_DEEPEST):
        if value.alts:
            break
        if value.result is not None:
            value = value.result
        elif value.op in SAME and value.args:
            turned = turned or value.op in TURNS
            value = value.args[0]
        elif value.op == "getitem" and any(part.op == "slice" for part in value.args[1:]):
            start = starts(value)
            if start is None:  # a piece of a long text is a sequence of its own: `data[i : i + n]`
                break
            if turned and start:
                return None
            slices += start
            value = value.args[0]
        else:
            break
    return Positions(value, tuple(reversed(slices)))


def starts(value: Value) -> list[tuple[int, int]] | None:
    """The axes on which `x[…]` drops leading positions, and how many; None where that is not known."""
    found = []
    for axis, part in enumerate(value.args[1:]):
        if part.op != "slice" or any(not step.is_const(None, 1) for step in part.args[2:]):
            return None
        first = part.args[0]
        if first.kind is not Kind.CONST or (first.const or 0) < 0:
            return None
        if first.const:
            found.append((axis, first.const))
    return found


def same_tokens(first: Value, second: Value, depth: int = 0) -> bool:
    """Whether two tensors surely hold the same tokens: one value, or the same cut of one sequence."""
    if first is second:
        return True
    if first.op != second.op or first.alts or second.alts or depth > 12:
        return False
    if first.kind is Kind.CONST or second.kind is Kind.CONST:
        return first.kind is second.kind and first.const == second.const
    if first.op not in CUTS or len(first.args) != len(second.args) or first.const != second.const:
        return False
    pairs = list(zip(first.args, second.args, strict=True))
    if first.receiver is not None and second.receiver is not None:
        pairs.append((first.receiver, second.receiver))
    return all(same_tokens(*pair, depth + 1) for pair in pairs)


def read_by(prediction: Value) -> list[Positions]:
    """The token sequences that a prediction can copy from: every way from it to an embedding of tokens on
    which a network keeps each position in its place. The slices of the prediction are part of the answer."""
    found: list[Positions] = []
    seen: set[int] = set()
    stack: list[tuple[Value, Slices, bool]] = [(prediction, (), False)]
    while stack and len(seen) < 4_000:
        value, slices, turned = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value.alts:
            stack.extend((part, slices, turned) for part in value.alts)
        elif value.result is not None:
            stack.append((value.result, slices, turned))
        elif _causal_output(value):
            tokens = value.args[0].args[0] if value.args[0].args else value.args[0].kwargs.get("input_ids")
            if tokens is not None:
                found += _through(tokens, slices)
        elif not value.args:
            continue
        elif value.op in LOOKUPS:
            found += _through(value.args[0], slices)
        elif value.op in SAME:
            stack.append((value.args[0], slices, turned or value.op in TURNS))
        elif value.op == "getitem" and any(part.op == "slice" for part in value.args[1:]):
            start = starts(value)
            if start is not None and not (turned and start):
                stack.append((value.args[0], (*start, *slices), turned))
        elif value.op in {"item_of", "getitem"} and value.args[0].op in MIXING:
            if value.const == 0 or (len(value.args) == 2 and value.args[1].is_const(0)):
                stack.append((value.args[0], slices, turned))
        elif value.op == "transformer" and len(value.args) > 1:
            stack.append((value.args[1], slices, turned))
        elif value.op in POINTWISE or value.op in MIXING:
            stack.append((value.args[0], slices, turned))
        elif value.op in {"add", "mul"}:
            stack.extend((part, slices, turned) for part in value.args)
    return found if found and _reads_context(prediction) else []


def _reads_context(prediction: Value) -> bool:
    """Whether a network that reads more than one position made it, and not from an autoencoder's code."""
    # How the tokens themselves were made is another matter.
    ops = {part.op for part in prediction.graph(lambda part: part.op in LOOKUPS)}
    if ops & NOISE:
        return False
    return bool(ops & CONTEXT) or any(_causal_output(part) for part in prediction.sources(SAME))


def _through(tokens: Value, slices: Slices) -> list[Positions]:
    read = positions(tokens)
    return [Positions(read.sequence, (*read.slices, *slices))] if read is not None else []


def _causal_output(value: Value) -> bool:
    """The logits of a causal language model of transformers: one for each input token."""
    if value.op not in {"getattr", "getitem"} or not value.args:
        return False
    model = value.args[0].receiver
    logits = value.const == "logits" or (len(value.args) == 2 and value.args[1].is_const(0))
    return logits and value.args[0].op == "module_call" and model is not None and is_causal(model)


def is_causal(model: Value) -> bool:
    """Whether it is surely one of transformers' decoder-only models."""
    return model.op.startswith("transformers.") and any(word in model.op for word in CAUSAL_MODELS)
