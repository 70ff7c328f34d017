"""The base class of all rules. A rule is two files: `nnlint/rules/foo_bar.py` and `rules/foo-bar.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from nnlint.finding import Applicability, Severity
from nnlint.page import Page, PageError, find_pages_dir, load_page

if TYPE_CHECKING:
    import libcst as cst

    from nnlint.capture.plan import Continuation, Place
    from nnlint.capture.supervise import Capture
    from nnlint.graph.step import GraphStep
    from nnlint.static.model import ScriptModel


@dataclass(frozen=True, slots=True)
class Replacement:
    """The text of `node` becomes `code`; nothing around the node changes."""

    node: cst.CSTNode
    code: str


@dataclass(frozen=True, slots=True)
class Insertion:
    """`code` is put before (or after) the text of `anchor`.

    As a `line` it becomes a statement of its own, indented like the statement `anchor` stands for.
    """

    anchor: cst.CSTNode
    code: str
    after: bool = False
    line: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """`node` goes: with its whole lines (comma and comment too) where nothing else stands on them.

    Otherwise from the end of `after`, the argument before it; without `after` there is then no fix.
    """

    node: cst.CSTNode
    after: cst.CSTNode | None = None


Change: TypeAlias = "Replacement | Insertion | Removal"


@dataclass(frozen=True, slots=True)
class Draft:
    """A fix in terms of syntax nodes. Without `applicability` it has the one of the rule's page."""

    message: str
    changes: tuple[Change, ...]
    applicability: Applicability | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule reports, in terms of syntax nodes; the engine makes a Finding of it."""

    node: cst.CSTNode
    message: str
    related: tuple[tuple[cst.CSTNode, str], ...] = ()
    fix: Draft | None = None
    severity: Severity | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a rule reports of a run. A place of None is the script as a whole."""

    place: Place | None
    message: str
    related: tuple[tuple[Place | None, str], ...] = ()
    severity: Severity | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    # Names of rules that see only what follows from this one; what would explain it is among them.
    explains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a rule has nothing to say of a run: its experiment does not apply, or told too little."""

    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an experiment that the user asked for has found out, where nothing is wrong."""

    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def listed(names: Sequence[str]) -> str:
    """`a`, `b`, `c` and 2 more."""
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return ", ".join(f"`{name}`" for name in names[:3]) + more


class RuleError(Exception):
    """A rule class that cannot be bound to its page, or breaks what the page promises."""


# The tiers of a page and the method by which a rule looks at each.
CHECKS = {"S": "check_source", "G": "check_graph", "E": "check_runs"}


class Rule:
    """One rule. The page of the same name is bound when the class is created."""

    page: ClassVar[Page]
    # A cheap gate: the rule is skipped unless one of these words stands in the source. Empty: never skipped.
    words: ClassVar[tuple[str, ...]] = ()
    # Whether the source side names the line where a layer is built, of which a recorded step knows only the
    # call: then one finding in a file tells of both.
    names_what_is_built: ClassVar[bool] = False

    # Names of rules whose findings explain what this one sees in a run, and so silence it.
    explained_by: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, page: Page | None = None) -> None:
        super().__init_subclass__()
        module = cls.__module__.rpartition(".")[2]
        try:
            cls.page = page or load_page(find_pages_dir() / f"{module.replace('_', '-')}.md")
        except PageError as error:
            raise RuleError(f"{cls.__module__}.{cls.__name__}: {error}") from None
        if isinstance(cls.words, str):
            raise RuleError(f"{cls.__module__}.{cls.__name__}: `words` is a tuple of words")
        looks_at = tuple(tier for tier, method in CHECKS.items() if getattr(cls, method, None) is not None)
        if cls.check_source is Rule.check_source:
            looks_at = looks_at[1:]
        if looks_at != cls.page.tiers:
            promised, has = " ".join(cls.page.tiers) or "none", " ".join(looks_at) or "none"
            raise RuleError(
                f"{cls.__module__}.{cls.__name__} looks at tiers: {has}; {cls.page.path} says: {promised}"
            )

    @property
    def continuations(self) -> tuple[Continuation, ...]:
        """What `check_runs` needs beyond the first training iteration; run once for all rules that need it.

        A property where the rule looks at the source, too: only a run needs the experiments imported.
        """
        return ()

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        """The problems visible in the source."""
        raise NotImplementedError

    if TYPE_CHECKING:

        def check_graph(self, step: GraphStep) -> Iterator[Sighting]:
            """The problems visible in the graph of the first training step, or of a model that was traced."""

        def check_runs(self, seen: Capture) -> Iterator[Sighting | Skip | Outcome]:
            """The problems visible in the script's first training iteration and its continuations."""

    def more(self, seen: Capture) -> tuple[Continuation, ...]:
        """What is to be run beyond `continuations`, in the light of these; asked again after each round.

        A name that has been run is not run again.
        """
        del seen
        return ()

    def problem(
        self,
        node: cst.CSTNode,
        message: str,
        *,
        related: tuple[tuple[cst.CSTNode | None, str], ...] = (),
        fix: Draft | None = None,
        severity: Severity | None = None,
        **evidence: Any,
    ) -> Problem:
        """A problem at `node`; `severity` only where it differs from the page's.

        A related place without a node, as of a value that no expression of the file makes, is left out.
        """
        if fix is not None and self.page.fix is None:
            raise RuleError(f"{self.page.name} offers a fix, but its page says `fix: none`")
        places = tuple((place, what) for place, what in related if place is not None)
        return Problem(node, message, places, fix, severity, evidence)
