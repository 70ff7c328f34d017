"""A recorded step as a table for a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from nnlint.capture.plan import Place
from nnlint.graph.blocks import Block, blocks, deepest, operations, title, with_inputs
from nnlint.graph.nodes import Ref
from nnlint.graph.sizes import doubt, sizes
from nnlint.graph.step import GraphStep

BATCH = "bold magenta"
# More rows than this say nothing to anybody.
MOST_ROWS = 300
MOST_BLOCKS = 120
MOST_MEANT = 6


def listing(step: GraphStep, every: bool = False) -> Table:
    """A row an operation, under the name of its module; with more than a few hundred, a row a module.

    `every` keeps a row an operation however many there are.
    """
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", justify="right", style="dim")
    table.add_column("operation")
    table.add_column("of", style="dim", overflow="fold")
    table.add_column("gives")
    table.add_column("line", style="dim")
    if every or len(operations(step)) <= MOST_ROWS:
        for block in blocks(step, 99):
            table.add_row("", Text(title(step.graph, block), style="bold"))
            for index in block.nodes:
                table.add_row(
                    str(index),
                    _operation(step, index),
                    _given(step, index),
                    _results(step, index),
                    _line(step, index),
                )
    else:
        for block in with_inputs(step, deepest(step, MOST_BLOCKS)):
            _collapsed(table, step, block)
    return table


def legend(step: GraphStep) -> list[Text]:
    """What the table does not say by itself."""
    graph = step.graph
    lines = []
    if graph.batch:
        why = " (the batch was cut to as many: no other axis has that size)" if graph.cut else ""
        lines.append(Text.assemble(("N", BATCH), f" is the batch axis, {graph.batch} samples{why}"))
    else:
        lines.append(Text("The batch axis is not known: no loader gave a batch whose tensors share a size"))
    for index in sorted(step.cross_batch):
        text = f"samples reach one another before a prediction: {index} {step.operator(index)}"
        lines.append(Text(f"{text}  {_line(step, index)}", style="red"))
    for what, nodes in _meant(step).items():
        shown = [f"{index} {step.operator(index)}  {_line(step, index)}".rstrip() for index in nodes]
        more = f" and {len(shown) - MOST_MEANT} more" if len(shown) > MOST_MEANT else ""
        lines.append(Text(f"context, {what}: {', '.join(shown[:MOST_MEANT])}{more}", style="dim"))
    return lines + [Text(reason, style="yellow") for reason in step.not_followed()]


def _meant(step: GraphStep) -> dict[str, list[int]]:
    """Where samples reach one another on purpose, in words."""
    found = {
        "samples meet as they are meant to": {mixing.node for mixing in step.mixings if mixing.context},
        # A similarity matrix, as contrastive losses have it; what broadcasts by mistake is no product.
        "each sample is compared with every other one": {
            meeting.node for meeting in step.meetings if meeting.kind == "product"
        },
    }
    return {what: sorted(nodes) for what, nodes in found.items() if nodes}


def _collapsed(table: Table, step: GraphStep, block: Block) -> None:
    shown = title(step.graph, block)
    last = block.nodes[-1]
    if len(block.nodes) == 1:
        table.add_row(
            str(last),
            Text(shown, style="bold"),
            _operation(step, last),
            _results(step, last),
            _line(step, last),
        )
        return
    mixed = len(step.cross_batch.intersection(block.nodes))
    note = Text(f"{len(block.nodes)} operations")
    if mixed:
        note.append(f", {mixed} mixing samples", style="red")
    table.add_row(
        f"{last}", Text(shown, style="bold"), note, _results(step, last), _line(step, block.nodes[0])
    )


def _operation(step: GraphStep, index: int) -> Text:
    node = step.nodes[index]
    if node.op == "input":
        return Text(step.words.name(Ref(index)) or node.name, style="bold")
    style = "red" if index in step.cross_batch else ""
    return Text(step.operator(index), style="yellow" if node.op == "unseen" else style)


def _given(step: GraphStep, index: int) -> str:
    names = []
    for ref in step.sources(index):
        node = step.nodes[ref.node]
        if ref.node in step.held:
            node = step.nodes[step.origin(ref).node]
            own = step.nodes[index].module
            name = node.name.removeprefix(f"{own}.") if own else node.name
            names.append(str(node.arguments["value"]) if "value" in node.arguments else name)
        elif node.op == "input":
            names.append(step.words.name(ref) or node.name)
        else:
            names.append(f"{ref.node}" if len(node.shapes) == 1 else f"{ref.node}[{ref.output}]")
    return ", ".join(names)


def _results(step: GraphStep, index: int) -> Text:
    """The shapes of the outputs that somebody reads, or of the first."""
    node = step.nodes[index]
    read = {ref.output for user in step.users(index) for ref in step.sources(user) if ref.node == index}
    read |= {output.ref.output for output in step.graph.outputs if output.ref.node == index}
    text = Text()
    for number in sorted(read) or range(min(1, len(node.shapes))):
        ref = Ref(index, number)
        text.append(" " if text else "")
        text.append("[")
        for place, (size, samples) in enumerate(sizes(step, ref)):
            text.append(", " if place else "")
            text.append(size, style=BATCH if samples else "")
        text.append("]")
        if doubt(step, ref) == "not known":
            text.append("?", style="yellow")
    for output in step.graph.outputs:
        if output.ref.node == index:
            text.append(f" {output.what}", style="bold green")
    return text


def _line(step: GraphStep, index: int) -> str:
    return place_text(step.nodes[index].place)


def place_text(place: Place | None) -> str:
    """`train.py:12`; nothing where no line is known."""
    return f"{Path(place.filename).name}:{place.row}" if place else ""
