"""Losses, whose own reduction ends the batch axis."""

from __future__ import annotations

from nnlint.graph.axes import Value, carries, plain
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.registry import rule

NONE = 0


def ended(call: Call, value: Value) -> Value:
    """By `reduction`: element by element, or one number for all."""
    if call.arg("reduction") in (NONE, "none") or value.axes is None:
        return value
    over = [axis for axis in value.axes if carries(axis)]
    mixed = call.mix("reduction", [value], None, value.places()[0], over) if over else 0
    return call.combine([value], (), mixed)


@rule(
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "soft_margin_loss", "kl_div", "poisson_nll_loss",
    "hinge_embedding_loss", "margin_ranking_loss",
)  # fmt: skip
def pointwise_loss(call: Call) -> Value:
    """Prediction and target, element by element."""
    values = call.given()
    shape: tuple[int, ...] = ()
    for ref in call.refs():
        other = call.flow.shape_of(ref)
        rank = max(len(shape), len(other))
        wide = [(1,) * (rank - len(entry)) + tuple(entry) for entry in (shape, other)]
        shape = tuple(max(pair) for pair in zip(*wide, strict=True))
    return ended(call, call.pointwise(values, shape))


@rule(
    "nll_loss_forward", "nll_loss", "nll_loss2d_forward", "nll_loss2d", "cross_entropy_loss", "nll_loss_nd",
)  # fmt: skip
def nll_loss(call: Call) -> tuple[Value, ...]:
    """(N, C, …) and (N, …): each target picks along the class axis."""
    value, target = call.tensor("self"), call.tensor("target")
    axes, labels = call.axes("self"), call.axes("target")
    values = [value, target]
    classes = 1 if len(axes) > 1 else 0
    mixed = call.mix("selection", values, "self", classes, [axes[classes]]) if carries(axes[classes]) else 0
    if len(labels) == len(axes):
        # Probabilities for targets.
        labels = labels[:classes] + labels[classes + 1 :]
    rest = axes[:classes] + axes[classes + 1 :]
    shape = call.shape_of("target")
    if len(labels) != len(shape):
        shape = shape[:classes] + shape[classes + 1 :]
    both = call.pointwise([value.with_axes(rest), target.with_axes(labels)], shape)
    if both.axes is None:
        return (both,) * len(call.node.shapes)
    result = ended(call, call.combine([both], both.axes, mixed))
    total = call.combine([both.with_axes(())], (), mixed)
    return (result, *(total for _ in call.node.shapes[1:]))


@rule("multi_margin_loss", "multilabel_margin_loss_forward", "multilabel_margin_loss")
def margin_loss(call: Call) -> tuple[Value, ...]:
    """(N, C): each sample's classes against each other."""
    value, target = call.tensor("self"), call.tensor("target")
    axes = call.axes("self")
    head = call.pointwise(
        [value.with_axes(axes[:1]), target.with_axes(call.axes("target")[:1])], call.shape_of("self")[:1]
    )
    results = [ended(call, head)]
    for shape in call.node.shapes[1:]:
        found = (axes[0], *plain(shape[1:])) if len(shape) == len(axes) else ()
        results.append(call.combine([head], found))
    return tuple(results)


@rule("_ctc_loss", "ctc_loss", "_cudnn_ctc_loss", "_use_cudnn_ctc_loss")
def ctc_loss(call: Call) -> tuple[Value, ...]:
    """(T, N, C) and targets of each sample: one number for each."""
    value = call.tensor("log_probs")
    axes = call.axes("log_probs")
    if len(axes) != 3 or carries(axes[2]):
        return (UNKNOWN,) * len(call.node.shapes)
    mixed = call.mix("recurrence", [value], "log_probs", 0, [axes[0]]) if carries(axes[0]) else 0
    targets = call.value("targets")
    rows = [value.with_axes((axes[1],))]
    if targets is not None and targets.axes is not None:
        if len(targets.axes) == 2:
            rows.append(targets.with_axes(targets.axes[:1]))
        elif targets.depends and not targets.follows:
            return (UNKNOWN,) * len(call.node.shapes)
    head = call.pointwise(rows, call.shape_of("log_probs")[1:2])
    if head.axes is None:
        return (UNKNOWN,) * len(call.node.shapes)
    return tuple(
        call.combine(
            [head],
            (*head.axes, *plain(shape[1:])) if shape and shape[0] == call.shape[0] else plain(shape),
            mixed,
        )
        for shape in call.node.shapes
    )
