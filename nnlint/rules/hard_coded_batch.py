"""See rules/hard-coded-batch.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.shapes import NEW
from nnlint.static.splits import LOADER
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Place
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

RECURRENT = ("lstm", "gru", "rnn")
# How a run tells of an exception: its text, and the innermost line of the user's.
RAISED = re.compile(r"the script raised (?P<text>.*) \((?P<filename>[^()]+):(?P<row>\d+)\)", re.DOTALL)


class HardCodedBatch(Rule):
    words = ("view", "reshape", "LSTM", "GRU", "RNN")

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        seen: set[int] = set()
        for call, size, data in _fixed_sizes(script):
            if call.node is None or id(call.node) in seen:
                continue
            loader = _loader_of(data, size.const)
            if loader is None:
                continue
            seen.add(id(call.node))
            related = ((loader.node, "the loader"),) if loader.node is not None else ()
            text, name = script.text(call.node, 40), script.name_of(data, "x")
            yield self.problem(
                call.node,
                f"`{text}` holds the batch at {size.const}, the loader's batch_size, and breaks on a smaller "
                f"last batch and on a single sample; take the size from the data, as in `{name}.size(0)`",
                related=related,
            )

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.capture.plan import Place
        from nnlint.experiments.graph import FEW, WHOLE, Recording
        from nnlint.graph.nodes import from_json
        from nnlint.graph.step import GraphStep

        loader = seen.first_step.loader if seen.first_step is not None else None
        few, whole = seen.trajectories.get(FEW.name), seen.trajectories.get(WHOLE.name)
        if loader is None or few is None or whole is None or loader.batch_size < 2 or loader.drop_last:
            return
        raised = RAISED.fullmatch(few.ended)
        # Only where a smaller batch will come, and only what the whole batch passes.
        if raised is None or not loader.samples % loader.batch_size or whole.ended != "steps":
            return
        if not re.search(rf"\b{loader.batch_size}(?=\b|x)", raised["text"]):
            return
        recording = few.measure(Recording)
        step = GraphStep(from_json(recording.graph)) if recording is not None else None
        place = _held_at(step, loader.batch_size) if step is not None else None
        yield Sighting(
            place or Place(raised["filename"], int(raised["row"])),
            f"the first {step.graph.batch if step is not None else 'few'} samples of a batch raise "
            f"`{raised['text'][:120]}` here or later: the size of the batch is held at {loader.batch_size}, "
            f"the loader's batch_size, and the last batch of {loader.samples} samples holds "
            f"{loader.samples % loader.batch_size}; take the size from the data, as in `x.size(0)`",
            evidence={"batch size": loader.batch_size, "samples": loader.samples},
        )


def _held_at(step: GraphStep, size: int) -> Place | None:
    """The last line of the user's that makes rows of `size` from samples of which there are fewer."""
    from nnlint.graph.nodes import Ref

    for index in reversed(range(len(step.nodes))):
        node = step.nodes[index]
        if not node.own or step.operator(index) not in ("view", "reshape", "_unsafe_view", "_reshape_alias"):
            continue
        (given, *_) = step.sources(index)
        if node.shapes[0][:1] == (size,) and step.batch_places(Ref(given.node, given.output))[:1] == (0,):
            return node.place
    return None


def _fixed_sizes(script: ScriptModel) -> Iterator[tuple[Value, Value, Value]]:
    """The calls with a constant in the place of the batch, that constant, and the tensor it is about."""
    for call in script.calls_of("view", "reshape"):
        sizes = call.args[1].args if call.args[1:] and call.args[1].kind is Kind.SEQUENCE else call.args[1:]
        if len(sizes) > 1 and script.shapes.batch_leads(call.args[0]):
            yield call, sizes[0], call.args[0]
    for call in script.calls_of(*RECURRENT):
        state = call.args[1] if len(call.args) > 1 else call.kwargs.get("hx")
        if state is None or call.kind is not Kind.TENSOR:
            continue
        for part in state.args if state.kind is Kind.SEQUENCE else [state]:
            for made in part.sources(
                frozenset({"to", "cuda", "float", "requires_grad_", "variable", "detach"})
            ):
                sizes = made.args[0].args if made.args and made.args[0].kind is Kind.SEQUENCE else made.args
                if made.op in NEW and len(sizes) == 3:
                    yield made, sizes[1], call.args[0]


def _loader_of(data: Value, size: object) -> Value | None:
    """The loader that makes these batches, where it is asked for that size and may give a smaller one."""
    if type(size) is not int or size < 2:
        return None
    for item in data.graph(lambda value: value.op == "batch_item"):
        if item.op != "batch_item" or not item.args or not item.args[0].args:
            continue
        batch = item.args[0]
        if isinstance(batch.node, cst.Call) and batch.frame is not None and batch.frame.loop() is None:
            continue  # next(iter(loader)): the first batch is full
        loader = batch.args[0]
        full = constant(loader, "drop_last", False) is not False
        if loader.op == LOADER and constant(loader, "batch_size", 1) == size and not full:
            return loader
    return None
