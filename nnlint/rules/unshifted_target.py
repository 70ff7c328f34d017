"""See rules/unshifted-target.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.scores import losses_of
from nnlint.static.tokens import Positions, is_causal, positions, read_by, same_tokens

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel


# How much of a change of later tokens may show before them.
_LEAK = 1e-3


class UnshiftedTarget(Rule):
    words = ("cross_entropy", "CrossEntropyLoss", "nll_loss", "NLLLoss", "CausalLM", "LMHeadModel")

    explained_by = ("future-leak",)

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.future import FUTURE

        return (FUTURE,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.future import FUTURE, Future

        trajectory = seen.trajectories.get(FUTURE.name)
        future = trajectory.measure(Future) if trajectory else None
        heard = [entry for entry in future.sequences if entry.heard and entry.integer] if future else []
        # What sees all of its input may be an autoencoder; what sees only the past is to predict what comes.
        if not heard or any(entry.shift == 1 or entry.leak > _LEAK for entry in heard):
            return
        first = heard[0]
        if first.shift == 0:
            what = (
                "the targets are the very tokens that the model reads at each position: copying its input "
                "solves the task, and nothing is learned about the next token; compare the scores `[:, "
                ":-1]` with the tokens `[:, 1:]`"
            )
        else:
            what = (
                "the targets are the tokens two places after those that the model reads, so it learns to "
                "skip one: they are shifted twice; shift them once (models of transformers shift `labels` "
                "themselves)"
            )
        place = first.loss or first.place
        yield Sighting(place, what, evidence={"shift": first.shift, "length": first.length})

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        for loss in losses_of(script, "cross_entropy", "nll_loss"):
            target = positions(loss.target) if loss.target is not None else None
            if target is None:
                continue
            for read in read_by(loss.prediction):
                if not same_tokens(read.sequence, target.sequence):
                    continue
                ahead = _ahead(read, target)
                tokens, logits = (
                    script.name_of(read.sequence, "ids"),
                    script.name_of(loss.prediction, "logits"),
                )
                if ahead == 0:
                    yield self.problem(
                        loss.node,
                        f"`{script.name_of(loss.target or read.sequence)}` holds the very tokens that the "
                        f"network reads at each position, so copying its input solves the task and nothing "
                        f"is learned about the next token; compare the scores `[:, :-1]` with `{tokens}[:, "
                        f"1:]`",
                    )
                elif ahead == 2 and all(first == 1 for _, first in target.slices):
                    yield self.problem(
                        loss.node,
                        f"the target is shifted twice: `{logits}` at one position is compared with the token "
                        f"two positions on, and the next token is never predicted; shift only once",
                    )
                break
        yield from self._labels(script)

    def _labels(self, script: ScriptModel) -> Iterator[Problem]:
        """Labels given to a model that shifts them itself."""
        for call in script.calls_of("module_call"):
            labels = call.kwargs.get("labels")
            tokens = call.args[0] if call.args else call.kwargs.get("input_ids")
            if labels is None or tokens is None or call.node is None:
                continue
            if call.receiver is None or not is_causal(call.receiver):
                continue
            read, target = positions(tokens), positions(labels)
            if (
                read is not None
                and target is not None
                and same_tokens(read.sequence, target.sequence)
                and _ahead(read, target) == 1
            ):
                yield self.problem(
                    call.node,
                    f"`{script.text(labels.node, 30)}` is shifted by one already, and the model shifts "
                    f"`labels` itself: it is trained on the token two positions on; pass the same ids as "
                    f"input and as labels",
                )


def _ahead(read: Positions, target: Positions) -> int | None:
    """How many positions the target is ahead of what is read; None where they are cut on several axes."""
    axes = {axis for axis, _ in (*read.slices, *target.slices)}
    if len(axes) > 1:
        return None
    return sum(first for _, first in target.slices) - sum(first for _, first in read.slices)
