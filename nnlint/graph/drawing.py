"""A recorded step in the language of Graphviz, with the batch axis in colour."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from html import escape

from nnlint.graph.blocks import Block, blocks, deepest, operations, title, with_inputs
from nnlint.graph.listing import place_text
from nnlint.graph.nodes import Ref
from nnlint.graph.sizes import doubt, sizes
from nnlint.graph.step import GraphStep

BATCH, PLAIN, MIXED, UNKNOWN = "#c026d3", "#94a3b8", "#dc2626", "#d97706"
# More boxes than this cannot be read on one page, or around one operation.
MOST_BOXES, MOST_AROUND = 150, 24
# So many steps away from an operation still belong to what is around it.
_REACH = 3
# A box is not wider than so many letters.
_LONGEST = 60

_OUTPUT = 'fillcolor="#dcfce7" color="#16a34a"'
_HEAD = """digraph step {
  rankdir=TB; ranksep=0.35; nodesep=0.25; fontname="Helvetica"; bgcolor="white";
  node [shape=box style="rounded,filled" fillcolor="white" color="#64748b"];
  node [fontname="Helvetica" fontsize=10 margin="0.1,0.05"];
  edge [arrowsize=0.6 color="#94a3b8"];
"""


def drawing(step: GraphStep, marked: Collection[int] = (), *, around: bool = False) -> str:
    """One box an operation, in a frame a module; one box a module where there are too many operations.

    Edges along which the batch axis runs are coloured, boxes at which samples reach one another are red, and
    those of `marked` nodes stand out. With `around`, only what these get and give is drawn.
    """
    graph = step.graph
    single = around or len(operations(step)) <= MOST_BOXES
    runs = blocks(step, 99) if single else with_inputs(step, deepest(step, MOST_BOXES))
    groups = [Block(run.root, run.path, (index,)) for run in runs for index in run.nodes] if single else runs
    home = {index: number for number, group in enumerate(groups) for index in group.nodes}
    if around:
        near = _near(step, marked)
        home = {index: number for index, number in home.items() if index in near}
    edges = _edges(step, home)
    for number, output in enumerate(graph.outputs):
        if output.ref.node in home:
            edges[home[output.ref.node], -1 - number] = output.ref
    # What nothing leads to, or from, is no part of the picture: counters of batch norm, for one.
    joined = {number for pair in edges for number in pair}
    boxes = {
        number: _box(step, number, group, marked) for number, group in enumerate(groups) if number in joined
    }
    lines = [_HEAD, *(_framed(step, runs, boxes) if single else (f"  {box}" for box in boxes.values()))]
    for number, output in enumerate(graph.outputs):
        lines.append(f'  {_id(-1 - number)} [label="{output.what}" shape=ellipse {_OUTPUT}];')
    lines += [f"  {_id(one)} -> {_id(other)} [{_colour(step, ref)}];" for (one, other), ref in edges.items()]
    return "\n".join([*lines, "}", ""])


def _near(step: GraphStep, marked: Collection[int]) -> set[int]:
    """The marked operations, and those that are few steps away in either direction."""
    shown = set(operations(step))
    found = shown.intersection(marked)
    edge = found
    for _ in range(_REACH):
        neighbours = {ref.node for index in edge for ref in step.sources(index)}
        neighbours |= {user for index in edge for user in step.users(index)}
        edge = (neighbours & shown) - found
        if len(found | edge) > MOST_AROUND:
            break
        found = found | edge
    return found


def _id(number: int) -> str:
    return f"b{number}" if number >= 0 else f"out{-1 - number}"


def _framed(step: GraphStep, runs: list[Block], boxes: dict[int, str]) -> Iterator[str]:
    """The boxes, those of one run of a module in a frame with its name."""
    at = 0
    for frame, run in enumerate(runs):
        inside = [boxes[number] for number in range(at, at + len(run.nodes)) if number in boxes]
        at += len(run.nodes)
        if len(inside) < 2 or (run.root < 0 and not run.path):
            yield from (f"  {box}" for box in inside)
            continue
        name = escape(title(step.graph, run)[-_LONGEST:], quote=True)
        yield f'  subgraph cluster{frame} {{ label="{name}"; labeljust=l; fontsize=9; fontcolor="#475569"; '
        yield '    style="rounded,filled"; color="#e2e8f0"; fillcolor="#f8fafc";'
        yield from (f"    {box}" for box in inside)
        yield "  }"


def _box(step: GraphStep, number: int, group: Block, marked: Collection[int]) -> str:
    last = group.nodes[-1]
    node = step.nodes[last]
    mixing = not step.cross_batch.isdisjoint(group.nodes)
    colour = MIXED if mixing else UNKNOWN if node.op == "unseen" else "#64748b"
    fill = "#fae8ff" if node.op == "input" else "#fef2f2" if mixing else "white"
    if node.op == "input":
        name = step.words.name(Ref(last)) or node.name
    elif len(group.nodes) > 1:
        name = f"{title(step.graph, group)}"
    else:
        name = step.spoken(last)
    small = [f"{len(group.nodes)} operations"] if len(group.nodes) > 1 else []
    small += [node.module[-_LONGEST:]] if len(group.nodes) == 1 and node.root >= 0 and node.module else []
    small += [text[-_LONGEST:]] if (text := place_text(node.place)) else []
    label = f"<b>{escape(name[:_LONGEST])}</b>"
    if node.shapes:
        label += f"<br/>{_shape(step, Ref(last))}"
    if small:
        label += f'<br/><font point-size="8" color="#64748b">{escape(", ".join(small))}</font>'
    meant = not set(group.nodes).isdisjoint(marked)
    stands_out = f' penwidth=3 color="{MIXED}" fillcolor="#fef2f2"' if meant else ""
    return f'b{number} [label=<{label}> color="{colour}" fillcolor="{fill}"{stands_out}];'


def _shape(step: GraphStep, ref: Ref) -> str:
    parts = [
        f'<font color="{BATCH}"><b>{size}</b></font>' if samples else size
        for size, samples in sizes(step, ref)
    ]
    # Without the space, Graphviz puts a bracket behind a bold word on a line of its own.
    return f"[{', '.join(parts)}] " + ("?" if doubt(step, ref) == "not known" else "")


def _edges(step: GraphStep, home: dict[int, int]) -> dict[tuple[int, int], Ref]:
    """What runs from box to box: one value for each pair of them."""
    edges: dict[tuple[int, int], Ref] = {}
    for index, number in home.items():
        for ref in step.sources(index):
            source = home.get(ref.node, number)
            if source != number:
                edges.setdefault((source, number), ref)
    return edges


def _colour(step: GraphStep, ref: Ref) -> str:
    if doubt(step, ref) == "not known":
        return f'color="{UNKNOWN}" style=dashed'
    if step.batch_places(ref):
        return f'color="{BATCH}" penwidth=1.6'
    return f'color="{MIXED}"' if doubt(step, ref) else f'color="{PLAIN}"'
