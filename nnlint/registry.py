"""Finds the rules by place, and selects among them. Any failure raises: no rule goes missing in silence."""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, overload

import nnlint.rules
from nnlint.page import Page, PageError, load_pages

if TYPE_CHECKING:
    from nnlint.rule import Rule

_PREFIX = re.compile(r"NNL\d{0,3}")
# A rule's words as its module says them, where that is in so many words.
_WORDS = re.compile(r"^    words = (\((?:.*|\n(?: {8}.*\n)* {4})\))$", re.MULTILINE)


class RegistryError(Exception):
    """The rules or pages do not fit together."""


class SelectorError(Exception):
    """A selector that matches no rule."""


def pages() -> tuple[Page, ...]:
    """Every page, sorted by code. Imports no rule, so listing and explaining stay light."""
    try:
        return load_pages()
    except PageError as error:
        raise RegistryError(str(error)) from None


class Rules(Sequence["Rule"]):
    """The rules of some pages, in their order. A rule is imported when it is first asked for.

    Then, and not before, RegistryError is raised if it cannot be.
    """

    def __init__(self, pages: Iterable[Page]) -> None:
        self.pages = tuple(pages)
        self._loaded: dict[str, Rule] = {}

    def __len__(self) -> int:
        return len(self.pages)

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> Rules: ...
    def __getitem__(self, index: int | slice) -> Rule | Rules:
        if isinstance(index, slice):
            return Rules(self.pages[index])
        page = self.pages[index]
        if page.code not in self._loaded:
            self._loaded[page.code] = _load(page)
        return self._loaded[page.code]

    def __reduce__(self) -> tuple[type[Rules], tuple[tuple[Page, ...]]]:
        return Rules, (self.pages,)


def rules(codes: Iterable[str] | None = None) -> tuple[Rule, ...]:
    """An instance of each rule (or of those with the given codes), sorted by code, imported now."""
    return tuple(shelf(codes))


def shelf(codes: Iterable[str] | None = None, all_pages: Iterable[Page] | None = None) -> Rules:
    """The same rules, none of them imported yet; `all_pages` if they have been read already.

    Pages and modules must match one to one even where a rule is not asked for.
    """
    book = {page.name: page for page in (pages() if all_pages is None else all_pages) if page.tiers}
    modules = _modules()
    for name in sorted(book.keys() - modules):
        raise RegistryError(f"{book[name].path}:1: the page has no module {_module(name)}")
    for name in sorted(modules - book.keys()):
        raise RegistryError(f"module {_module(name)} has no page {name}.md")
    wanted = None if codes is None else frozenset(codes)
    return Rules(page for page in book.values() if wanted is None or page.code in wanted)


def _modules() -> set[str]:
    """The modules of rules, by the names that their pages have."""
    # pkgutil does the same in ten times the time.
    files = [name for folder in nnlint.rules.__path__ for name in os.listdir(folder)]  # noqa: PTH208
    names = {name.removesuffix(".py") for name in files if name.endswith(".py")}
    return {name.replace("_", "-") for name in names - {"__init__"}}


def looking_at(tier: str, rules: Sequence[Rule]) -> list[Rule]:
    """Those of the rules that look at a tier; of `Rules`, the others are not imported."""
    if isinstance(rules, Rules):
        return [rules[at] for at, page in enumerate(rules.pages) if tier in page.tiers]
    return [rule for rule in rules if tier in rule.page.tiers]


def speaking(rules: Sequence[Rule], text: str) -> list[Rule]:
    """Those that look at the source and of whose words one stands in the text.

    Of `Rules`, the others are imported only where their modules do not say their words outright: half of
    the time that it takes to look at one file is spent on imports.
    """
    known: dict[str, bool] = {}  # many rules have a word in common

    def stands(words: Sequence[str]) -> bool:
        for word in words:
            if word not in known:
                known[word] = word in text
            if known[word]:
                return True
        return not words

    if isinstance(rules, Rules):
        pages = enumerate(rules.pages)
        due = [rules[at] for at, page in pages if "S" in page.tiers and stands(_words(page.name))]
    else:
        due = looking_at("S", rules)
    return [rule for rule in due if stands(rule.words)]


@cache
def _words(name: str) -> tuple[str, ...]:
    """The words of a rule that is not imported; none if that cannot be told."""
    for folder in nnlint.rules.__path__:
        try:
            code = Path(folder, f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        if match := _WORDS.search(code):
            with contextlib.suppress(ValueError, SyntaxError):  # not in so many words
                return tuple(ast.literal_eval(match[1]))
    return ()


def _module(name: str) -> str:
    return f"nnlint.rules.{name.replace('-', '_')}"


def _load(page: Page) -> Rule:
    # Only here are rules paid for; `nnlint rules` and a run that has nothing to look at anew never do.
    from nnlint.rule import Rule, RuleError

    try:
        module = importlib.import_module(_module(page.name))
    except RuleError as error:
        raise RegistryError(str(error)) from None
    # Whatever a rule's module raises on import must end as one clear line, not as a traceback.
    except Exception as error:
        raise RegistryError(f"{_module(page.name)}: {type(error).__name__}: {error}") from error
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise RegistryError(f"{module.__name__} must hold exactly one Rule, not {len(classes)}")
    return classes[0]()


def find(page_list: Sequence[Page], selector: str) -> Page:
    """The page with exactly this code or name."""
    for page in page_list:
        if selector.upper() == page.code or selector.lower() == page.name:
            return page
    raise SelectorError(f"no rule has the code or name `{selector}`{_suggest(page_list, selector)}")


def select(
    page_list: Sequence[Page],
    select: Iterable[str] = (),
    extend_select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> frozenset[str]:
    """The codes to report: `select` (or the default set), plus `extend_select`, minus `ignore`.

    What nnlint says about its own input (pages with `tier: none`) joins every selection unless it
    is ignored: a file that could not be read must not look clean.
    """
    chosen = expand(page_list, select) or {page.code for page in page_list if page.default}
    chosen |= {page.code for page in page_list if not page.tiers}
    return frozenset((chosen | expand(page_list, extend_select)) - expand(page_list, ignore))


def expand(page_list: Sequence[Page], selectors: Iterable[str]) -> set[str]:
    """The codes that the selectors (codes, code prefixes, names, ALL) stand for."""
    codes: set[str] = set()
    for selector in selectors:
        matched = {page.code for page in page_list if _matches(page, selector)}
        if not matched:
            raise SelectorError(f"`{selector}` selects no rule{_suggest(page_list, selector)}")
        codes |= matched
    return codes


def _matches(page: Page, selector: str) -> bool:
    if selector.upper() == "ALL" or selector.lower() == page.name:
        return True
    return _PREFIX.fullmatch(selector.upper()) is not None and page.code.startswith(selector.upper())


def _suggest(page_list: Sequence[Page], selector: str) -> str:
    names = {key: key for page in page_list for key in (page.name, page.code)}
    if re.fullmatch(r"\d{3}", selector):
        selector = f"NNL{selector}"
    import difflib

    for folded in (selector.lower(), selector.upper()):
        if close := difflib.get_close_matches(folded, names, 1, 0.6):
            return f"; did you mean `{close[0]}`?"
    return "; `nnlint rules` lists them all"
