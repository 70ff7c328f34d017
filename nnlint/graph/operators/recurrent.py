"""Recurrent layers: whole ones and the cells that they are made of."""

from __future__ import annotations

from nnlint.graph.axes import Axes, Axis, Factor, Value, carries, plain, size
from nnlint.graph.call import UNKNOWN, Call
from nnlint.graph.operators.registry import rule


@rule("mkldnn_rnn_layer")
def one_layer(call: Call) -> tuple[Value, ...]:
    """(T, N, C), states (N, H): along axis 0, whatever the layer's `batch_first`, which was undone before."""
    return _along(call, 0, "input", ["hx_", "cx_"])


@rule("_cudnn_rnn", "miopen_rnn")
def all_layers(call: Call) -> tuple[Value, ...]:
    """All layers at once."""
    if call.arg("batch_sizes"):
        return packed(call)
    return _along(call, 1 if call.arg("batch_first") else 0, "input", ["hx", "cx"])


@rule("lstm", "gru", "rnn_tanh", "rnn_relu")
def undivided(call: Call) -> tuple[Value, ...]:
    """A layer that torch has not taken apart."""
    if call.arg("data") is not None:
        return packed(call)
    return _along(call, 1 if call.arg("batch_first") else 0, "input", ["hx"])


def _along(call: Call, time: int, name: str, states: list[str]) -> tuple[Value, ...]:
    value = call.tensor(name)
    axes = call.axes(name)
    if len(axes) != 3:
        raise LookupError("no batch axis")
    steps, samples = axes[time], axes[1 - time]
    over: list[Axis] = [axis for axis in (steps, axes[2]) if carries(axis)]
    mixed = call.mix("recurrence", [value], name, time, over) if over else 0
    given = [found for state in states if (found := call.value(state)) is not None]
    heads: list[Value] = [value.with_axes((samples,))]
    for entry in given:
        assert entry.axes is not None
        # (layers, N, H), or (N, H) for one layer.
        held = entry.axes[-2] if len(entry.axes) > 1 else ()
        lost = [
            axis for place, axis in enumerate(entry.axes) if place != len(entry.axes) - 2 and carries(axis)
        ]
        if lost:
            mixed |= call.mix("recurrence", [value, entry], None, None, lost)
        heads.append(entry.with_axes((held,)))
    head = call.pointwise(heads, (call.shape_of(name)[1 - time],))
    if head.axes is None:
        return (UNKNOWN,) * len(call.node.shapes)
    weights = call.plain(()).learned
    results: list[Value] = []
    for shape in call.node.shapes:
        rows: Axes = plain(shape)
        if len(shape) == 3 and shape[:2] == call.shape_of(name)[:2] and not results:
            pair = (steps, head.axes[0]) if time == 0 else (head.axes[0], steps)
            rows = (*pair, *plain(shape[2:]))
        elif len(shape) == 3:
            rows = (*plain(shape[:1]), head.axes[0], *plain(shape[2:]))
        elif len(shape) == 2:
            rows = (head.axes[0], *plain(shape[1:]))
        result = call.combine([head], rows, mixed)
        results.append(Value(result.axes, result.pinned, result.mixed, True, weights or result.learned))
    return tuple(results)


def packed(call: Call) -> tuple[Value, ...]:
    """A packed sequence, whole: its rows stay, and so do the rows of the states."""
    name = "data" if call.arg("data") is not None else "input"
    value = call.tensor(name)
    rows = call.axes(name)[0]
    source = call.flow.sources[rows[0].source] if len(rows) == 1 and rows[0].source is not None else None
    if source is None or source.how != "packed" or source.base is None:
        raise LookupError("rows that are not those of a packed sequence")
    results = []
    for shape in call.node.shapes:
        axes = plain(shape)
        if len(shape) == 2 and shape[0] == call.shape_of(name)[0]:
            axes = (rows, *plain(shape[1:]))
        elif len(shape) == 3 and shape[1] == size(source.base):
            axes = (*plain(shape[:1]), source.base, *plain(shape[2:]))
        result = call.combine([value], axes)
        results.append(Value(result.axes, result.pinned, result.mixed, True, learned=True))
    return tuple(results)


@rule("_pack_padded_sequence")
def pack(call: Call) -> tuple[Value, ...]:
    """Rows of all samples in order of time; the sizes of the steps tell how many samples are that long."""
    value = call.tensor("input")
    axes = call.axes("input")
    first = bool(call.arg("batch_first"))
    time, samples = (axes[1], axes[0]) if first else (axes[0], axes[1])
    if carries(time):
        mixed = call.mix("recurrence", [value], "input", 1 if first else 0, [time])
        return (call.combine([value], None, mixed),) * len(call.node.shapes)
    if not carries(samples):
        return (call.plain(call.node.shapes[0]), Value(plain(call.node.shapes[1])))
    length = call.shape[0]
    rows = call.arg("rows") or ()
    key = (tuple(factor[:4] for factor in samples), length, rows)
    number = call.source("packed", key, length, base=samples, rows=rows)
    data = value.with_axes(((Factor(length, number),), *plain(call.shape[1:])))
    return (data, Value(plain(call.node.shapes[1])))


@rule("_pad_packed_sequence")
def unpack(call: Call) -> tuple[Value, ...]:
    """Packed rows with time and samples as axes again."""
    value = call.tensor("data")
    rows = call.axes("data")[0]
    source = call.flow.sources[rows[0].source] if len(rows) == 1 and rows[0].source is not None else None
    first = bool(call.arg("batch_first"))
    if (
        source is None
        or source.how != "packed"
        or source.base is None
        or size(source.base) != call.shape[0 if first else 1]
    ):
        raise LookupError("rows that are not those of a packed sequence")
    time = plain(call.shape)[1 if first else 0]
    pair = (source.base, time) if first else (time, source.base)
    return (value.with_axes((*pair, *plain(call.shape[2:]))), Value(plain(call.node.shapes[1])))


@rule("_thnn_fused_lstm_cell", "_thnn_fused_gru_cell")
def fused_cell(call: Call) -> tuple[Value, ...]:
    """(N, 4H), (N, 4H), (N, H): gates of each sample by itself."""
    gates = call.tensor("input_gates")
    values = [gates, call.tensor("hidden_gates")]
    state = call.value("cx", "hx")
    if state is not None:
        values.append(state)
    head = call.pointwise([value.with_axes((value.axes or ())[:1]) for value in values], call.shape[:1])
    if head.axes is None:
        return (UNKNOWN,) * len(call.node.shapes)
    wide = [axis for value in values for axis in (value.axes or ())[1:] if carries(axis)]
    mixed = call.mix("contraction", values, None, 1, wide) if wide else 0
    return tuple(call.combine([head], (*head.axes, *plain(shape[1:])), mixed) for shape in call.node.shapes)
