"""See rules/worker-randomness.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.finding import Severity
from nnlint.rule import Problem, Rule, Sighting
from nnlint.static.arguments import constant
from nnlint.static.draws import SEEDING, generator_of
from nnlint.static.splits import LOADER, dataset_of, whole
from nnlint.static.stored import item_getter
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.capture.plan import Continuation
    from nnlint.capture.supervise import Capture
    from nnlint.static.model import ScriptModel


class WorkerRandomness(Rule):
    words = ("default_rng", "RandomState", "random.Random", "import Random", "Generator(")

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        from nnlint.experiments.data import DATA

        return (DATA,)

    def check_runs(self, seen: Capture) -> Iterator[Sighting]:
        from nnlint.experiments.data import DATA, Data

        first = seen.trajectories.get(DATA.name)
        data = first.measure(Data) if first else None
        if data is None or (found := data.stream) is None:
            return
        besides = ", and worker_init_fn does not change that" if found.initialised else ""
        yield Sighting(
            found.place or found.loader,
            f"two workers of the loader, seeded as torch does, draw the same random numbers for a sample of "
            f"`{found.dataset}`{besides}, and each epoch draws them again; draw with torch's own functions, "
            f"or make the generator in a worker_init_fn from torch.initial_seed()",
            related=((found.loader, f"a loader with {found.workers} workers"),),
        )

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        if "worker_init_fn" in script.source.text or "get_worker_info" in script.source.text:
            return
        told: set[int] = set()
        for call in script.calls:
            generator = generator_of(call.receiver) or generator_of(call.kwargs.get("generator"))
            if generator is None or call.frame is None or call.op in SEEDING or generator.node is None:
                continue
            this = item_getter(call.frame)
            if this is None or _made_inside(generator) or id(generator.node) in told:
                continue
            name = generator.name or script.text(generator.node, 30)
            attribute = name.rpartition(".")[2]
            if this.cls is None or any(attribute in part.set_outside_init for part in this.cls.lineage()):
                continue
            known = _in_workers(script, this)
            if known is False:
                continue
            told.add(id(generator.node))
            yield self.problem(
                generator.node,
                f"`{name}` is made once and copied into each loader worker, so all workers of "
                f"`{this.cls.name}` draw the same numbers, and the next epoch draws them again; draw with "
                f"torch's own functions, which are seeded for each worker, or make the generator in a "
                f"worker_init_fn",
                related=((call.node, "drawn from here, for each sample"),),
                severity=None if known else Severity.INFO,
            )


def _made_inside(generator: Value) -> bool:
    """Whether the generator is made anew for each sample."""
    if generator.frame is None:
        return True
    return any(
        part.function is not None and part.function.name == "__getitem__" for part in generator.frame.chain()
    )


def _in_workers(script: ScriptModel, this: Value) -> bool | None:
    """Whether a loader of these data may have workers; None where the file has none and another decides."""
    loaders = list(script.calls_of(LOADER))
    own = [loader for loader in loaders if _loads(loader, this)]
    if not own:
        return None if not loaders else False
    return any("**" in loader.kwargs or constant(loader, "num_workers", 0) != 0 for loader in own)


def _loads(loader: Value, this: Value) -> bool:
    dataset = dataset_of(loader)
    if dataset is None:
        return False
    return any(whole(part).cls is this.cls or part.kind is Kind.UNKNOWN for part in dataset.alternatives())
