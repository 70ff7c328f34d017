"""See rules/functional-dropout-always-on.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.rule import Draft, Insertion, Problem, Rule, Sighting
from nnlint.static.arguments import argument, surely_absent
from nnlint.static.layers import forward_of
from nnlint.static.scan import FunctionInfo
from nnlint.static.torch_api import DROPOUTS
from nnlint.static.values import Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel

FUNCTIONS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
# Monte-Carlo dropout is meant to stay on, and that of Tacotron's prenet.
MEANT = re.compile(r"(?i)(?:^|_)mc(?:_|$)|mc_?drop|monte|bayes|uncertain|pre_?net")
# A flag for the mode, or a switch of the module's own.
_SWITCH = re.compile(r"train|(?:use|apply|enable)_?drop|drop(?:out)?_?(?:on|enabled|active)")
DROPPED = (
    "dropout is applied here although {name} is in evaluation mode, so every evaluation is noisy; pass "
    "`training=self.training` (to attention, a rate of 0 in evaluation)"
)


class FunctionalDropoutAlwaysOn(Rule):
    words = ("dropout", "Dropout")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.loops import LATER

        return (LATER,)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for call in script.calls:
            if call.frame is None or not isinstance(call.node, cst.Call):
                continue
            forward = forward_of(call.frame)
            if forward is None or _meant(call, forward):
                continue
            if call.op in FUNCTIONS and call.receiver is None:
                yield from self._function(script, call)
            elif call.op == "scaled_dot_product_attention":
                yield from self._attention(script, call)
            elif call.op in FUNCTIONS and call.receiver is not None and call.receiver.op in DROPOUTS:
                yield from self._module(script, call)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        for root in (root for step in seen.first_steps for root in step.roots):
            for place in root.dropped:
                yield Sighting(
                    place,
                    DROPPED.format(name=f"`{root.class_name}`"),
                    related=((root.place, "the model is called here"),),
                )

    def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
        from nnlint.graph.dropouts import attention_rate, dropped

        for index, node in enumerate(step.nodes):
            drops = dropped(step, index) is not None or attention_rate(step, index) > 0
            if drops and node.root >= 0 and not node.training and node.caller != "library":
                name = node.module or step.graph.roots[node.root].class_name
                yield Sighting(node.place, DROPPED.format(name=f"`{name}`"))

    def _function(self, script: ScriptModel, call: Value) -> Iterator[Problem]:
        probability = argument(call, "p")
        if (
            not surely_absent(call, "training")
            or "train" in call.kwargs
            or (probability is not None and probability.is_const(0, 0.0))
        ):
            return
        if _under_training(call):
            return
        assert isinstance(call.node, cst.Call)
        name = script.text(call.node.func)
        yield self.problem(
            call.node,
            f"`{name}` without `training=` drops values in evaluation too: a function does "
            "not know the module's mode; "
            f"write `{name}(…, training=self.training)`",
            fix=_training_added(call.node, call),
        )

    def _attention(self, script: ScriptModel, call: Value) -> Iterator[Problem]:
        probability = call.kwargs.get("dropout_p") or argument(call, "dropout_p")
        if probability is None or _under_training(call):
            return
        if any(part.is_const(0, 0.0) or part.op == "training" for part in probability.graph()):
            return
        functions = call.frame.functions() if call.frame is not None else []
        # `dropout_p = self.p if self.training else 0.0`, anywhere in the function: the mode is looked at.
        if not isinstance(call.node, cst.Call):
            return
        given = _given(call.node)
        if not functions or _looks_at_mode(functions[0]) or given is None:
            return
        if isinstance(given, cst.Name) and any(
            given.value == parameter.name for parameter in functions[0].parameters
        ):
            return  # the callers say
        yield self.problem(
            call.node,
            f"`dropout_p={script.text(given, 30)}` drops attention weights in evaluation too: "
            "this function does not know "
            f"the module's mode; pass `dropout_p=… if self.training else 0.0`",
            fix=_switched(given, call),
        )

    def _module(self, script: ScriptModel, call: Value) -> Iterator[Problem]:
        layer = call.receiver
        assert layer is not None
        probability = argument(layer, "p")
        if (
            layer.frame is None
            or forward_of(layer.frame) is None
            or layer.owner is not None
            or layer.node is None
        ):
            return
        if (probability is not None and probability.is_const(0, 0.0)) or _under_training(call):
            return
        if any(c.receiver is layer and c.op in {"module.train", "module.eval"} for c in script.calls):
            return
        short = layer.op.rpartition(".")[2]
        yield self.problem(
            layer.node,
            f"`{short}` is built inside `forward`: a new module is in training mode, so it "
            "drops values in evaluation "
            f"too; build it in `__init__`",
        )


def _given(node: cst.CSTNode | None) -> cst.BaseExpression | None:
    """The expression of `dropout_p`."""
    assert isinstance(node, cst.Call)
    named = [arg.value for arg in node.args if arg.keyword is not None and arg.keyword.value == "dropout_p"]
    return (
        named[0]
        if named
        else node.args[4].value
        if len(node.args) > 4 and node.args[4].keyword is None
        else None
    )


def _meant(call: Value, forward: FunctionInfo) -> bool:
    assert call.frame is not None
    names = [function.name for function in call.frame.functions()] + (
        [forward.cls.name] if forward.cls else []
    )
    return any(MEANT.search(name) for name in names)


def _looks_at_mode(function: FunctionInfo) -> bool:
    return any("training" in uses for uses in function.uses.values()) or any(
        "train" in parameter.name for parameter in function.parameters
    )


def _under_training(call: Value) -> bool:
    """Whether a test around the call asks for the mode: `self.training`, a `training` flag, a switch that
    the caller passes."""
    assert call.frame is not None
    for frame in call.frame.tests():
        if frame.value is not None and (
            any("train" in part.op or _SWITCH.search(part.name) for part in frame.value.graph())
            or _passed(frame.value, call)
        ):
            return True
    return False


def _passed(test: Value, call: Value) -> bool:
    """Whether an argument of the function around, or an item of one, is asked for its truth."""
    if test.op in {"and", "or", "not"}:
        return any(_passed(part, call) for part in test.args)
    function = next(iter(call.frame.functions()), None) if call.frame is not None else None
    given = {id(parameter.node) for parameter in function.parameters} if function is not None else set()
    return any(
        part.op == "param" and id(part.node) in given
        for part in test.sources(frozenset({"item_of", "getitem"}))
    )


def _own_mode(call: Value) -> bool:
    """Whether `self.training` is the module's mode at this place."""
    functions = call.frame.functions() if call.frame is not None else []
    return bool(
        functions
        and functions[0].cls is not None
        and functions[0].cls.is_module
        and functions[0].parameters
        and functions[0].parameters[0].name == "self"
    )


def _training_added(node: cst.Call, call: Value) -> Draft | None:
    if not _own_mode(call) or not node.args:
        return None
    last = node.args[-1]
    return Draft("Switch it by self.training", (Insertion(last, ", training=self.training", after=True),))


def _switched(given: cst.BaseExpression, call: Value) -> Draft | None:
    if not _own_mode(call) or not isinstance(given, (cst.Name, cst.Attribute, cst.Float)):
        return None
    return Draft("Switch it by self.training", (Insertion(given, " if self.training else 0.0", after=True),))
