"""See rules/mask-polarity.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.masks import Masks, Meaning, is_low
from nnlint.static.scores import SAME_SCALE
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

_LAYER = {"src_mask": 1, "src_key_padding_mask": 2}
_DECODER = {"tgt_mask": 2, "memory_mask": 3, "tgt_key_padding_mask": 4, "memory_key_padding_mask": 5}
# Operation -> its masks, by name and place; True blocks in all of these.
BLOCKING = {
    "multihead_attention": {"key_padding_mask": 3, "attn_mask": 5},
    "multi_head_attention_forward": {"key_padding_mask": 99, "attn_mask": 99},
    "transformer_encoder": {"mask": 1, "src_key_padding_mask": 2},
    "transformer_encoder_layer": _LAYER,
    "transformer_decoder": _DECODER,
    "transformer_decoder_layer": _DECODER,
    "transformer": {"src_mask": 2, "tgt_mask": 3, "memory_mask": 4, "src_key_padding_mask": 5,
                    "tgt_key_padding_mask": 6, "memory_key_padding_mask": 7},
}  # fmt: skip
KEEPING = {"scaled_dot_product_attention": {"attn_mask": 3}}
# Between a fill and the softmax that should hide it.
SCORES = SAME_SCALE | {"dropout", "add", "div", "masked_fill", "masked_fill_"}
FILLS = ("masked_fill", "masked_fill_", "where")
TINY, HUGE = 1e-3, 1e4
NOTHING_HIDDEN = (
    "masked scores become {fill:g}, and softmax gives them exp({fill:g}) = 1, as much as an ordinary score: "
    "nothing is hidden; fill with float('-inf') or -1e9"
)
SEES_THE_REST = (
    "attention sees exactly what it must not; invert the mask (`scaled_dot_product_attention` attends where "
    "a boolean mask is True, `masked_fill` and nn.MultiheadAttention hide where it is True)"
)
ALL_WEIGHT = (
    "masked scores become {fill:g}, so softmax gives all the weight to what should be hidden; fill with "
    "float('-inf') or {better:g}"
)


class MaskPolarity(Rule):
    words = ("mask",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        masks = Masks(script)
        for table, keeps in ((BLOCKING, False), (KEEPING, True)):
            for op, names in table.items():
                for call in script.calls_of(op):
                    for name, place in names.items():
                        given = call.kwargs.get(name) or (
                            call.args[place] if len(call.args) > place else None
                        )
                        found = (
                            masks.meaning(given) if given is not None and call.kind is Kind.TENSOR else None
                        )
                        if given is not None and found is not None:
                            yield from self._judge(script, call, name, given, found, keeps)
        yield from self._fills(script, masks)

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.attention import fills
        from nnlint.graph.patterns import FUTURE, PAST, hides_padding, marks

        for fill in fills(step):
            node = step.nodes[fill.node]
            if node.caller == "library":
                continue
            if 0 < fill.number <= TINY:
                yield Sighting(node.place, NOTHING_HIDDEN.format(fill=fill.number))
            elif fill.number >= HUGE:
                yield Sighting(node.place, ALL_WEIGHT.format(fill=fill.number, better=-fill.number))
            elif fill.number <= -HUGE and hides_padding(step, fill.mask) is not None:
                if hides_padding(step, fill.mask) != fill.where:
                    yield Sighting(
                        node.place,
                        "what is masked here are the words of each sequence, and what is left is what fills "
                        f"it up: {SEES_THE_REST}",
                        related=step.came_from(),
                    )
            elif fill.number <= -HUGE and marks(step, fill.mask) == (PAST if fill.where else FUTURE):
                yield Sighting(
                    node.place,
                    "what is masked here are the positions up to the present one, and what is left are those "
                    f"after it: {SEES_THE_REST}",
                )

    def _judge(
        self, script: ScriptModel, call: Value, name: str, given: Value, found: Meaning, keeps: bool
    ) -> Iterator[Problem]:
        """A mask with a known meaning, given to something that reads it the other way."""
        if call.node is None or found.proof.node is None:
            return
        given_as = _argument(call, name, given)
        mask = script.text(given_as, 40) or given.name or name
        place = given_as or call.node
        related = ((found.proof.node, "this says what the mask means"),)
        if found.boolean is False:
            yield self.problem(
                place,
                f"`{mask}` holds 0.0 and 1.0, and a float `{name}` is added to the scores, so nothing is "
                f"hidden; pass a boolean mask, or one that holds -inf where nothing may be seen",
                related=related,
            )
        elif found.boolean and found.blocks is keeps:
            means = "hides a position" if found.blocks else "marks what may be seen"
            reads = "attends only where a boolean mask is True" if keeps else "blocks where it is True"
            yield self.problem(
                place,
                f"True in `{mask}` {means}, but `{name}` of this call {reads}: attention "
                f"sees exactly what it must not; pass `{_inverted(mask, given_as)}`",
                related=related,
            )

    def _fills(self, script: ScriptModel, masks: Masks) -> Iterator[Problem]:
        """`masked_fill(mask, 1e-9)` before a softmax, or one where True marks what may be seen."""
        filled = [call for call in script.calls_of(*FILLS) if len(call.args) > 2 and call.node is not None]
        behind = _behind_softmax(script) if filled else set()
        for call in filled:
            if id(call) not in behind and (call.op != "masked_fill_" or id(call.args[0]) not in behind):
                continue
            assert call.node is not None
            for fill in call.args[1:] if call.op == "where" else call.args[2:3]:
                number = _number(fill)
                if number is not None and 0 < number <= TINY:
                    yield self.problem(
                        call.node,
                        NOTHING_HIDDEN.format(fill=number),
                    )
                elif number is not None and number >= HUGE:
                    yield self.problem(
                        call.node,
                        ALL_WEIGHT.format(fill=number, better=-number),
                    )
                elif is_low(fill) and call.op != "where":
                    found = masks.made(call.args[1])
                    if found is not None and found.boolean:
                        yield from self._judge(script, call, "mask", call.args[1], found, keeps=False)


def _behind_softmax(script: ScriptModel) -> set[int]:
    """ids of the scores that a softmax is taken of, and of what they were before fills and scaling.

    Cross-entropy takes one, and `logsumexp` sums what it would divide by.
    """
    found: set[int] = set()
    softmaxes = script.calls_of("softmax", "log_softmax", "logsumexp", "cross_entropy")
    stack = [call.args[0] for call in softmaxes if call.args]
    while stack:
        value = stack.pop()
        if id(value) in found:
            continue
        found.add(id(value))
        if value.result is not None:
            stack.append(value.result)
        elif value.op in SCORES or value.alts:
            stack += [*value.alts, *value.args[:1]]
    return found


def _argument(call: Value, name: str, given: Value) -> cst.BaseExpression | None:
    """The argument as it stands in the call."""
    if not isinstance(call.node, cst.Call):
        return None
    for argument in call.node.args:
        if argument.keyword is not None and argument.keyword.value == name:
            return argument.value
    place = next((i for i, value in enumerate(call.args) if value is given), None)
    if place is None or any(argument.star for argument in call.node.args):
        return None
    if isinstance(call.node.func, cst.Attribute) and len(call.node.args) < len(call.args):
        place -= 1  # the tensor whose method it is
    positional = [argument.value for argument in call.node.args if argument.keyword is None]
    return positional[place] if 0 <= place < len(positional) else None


def _inverted(mask: str, node: cst.BaseExpression | None) -> str:
    if mask.startswith("~"):
        return mask[1:]
    primary = node is None or isinstance(node, (cst.Name, cst.Attribute, cst.Call, cst.Subscript))
    return f"~{mask}" if primary or mask.startswith("(") else f"~({mask})"


def _number(value: Value) -> float | None:
    """A constant, or a tensor of one constant."""
    if type(value.const) in (int, float):
        return float(value.const)
    if value.op == "tensor" and value.args:
        return _number(value.args[0])
    if value.op in {"full_like", "full"} and len(value.args) > 1:
        return _number(value.args[1])
    return None
