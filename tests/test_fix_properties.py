"""What every fix promises, on every bad example and buggy script, as written and in disguise."""

from __future__ import annotations

import ast
import difflib
import functools
import io
import tokenize
import warnings
from collections import Counter
from collections.abc import Sequence

import pytest
from disguises import DISGUISES, Disguise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import CHECKOUT

from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.finding import Applicability, Finding
from nnlint.fixer import Fixer
from nnlint.page import load_pages

FIXABLE = {page.code: page for page in load_pages() if page.fix and "S" in page.tiers}
BUGGY = [path.read_text(encoding="utf-8") for path in sorted((CHECKOUT / "fixtures/buggy").glob("*.py"))]


@functools.cache
def _linter(code: str) -> Linter:
    return Linter.load(Config(select=(code,)))


@functools.cache
def _texts(code: str) -> list[str]:
    """The examples of the rule's page, and the buggy scripts that it marks."""
    mark = f"error: [{FIXABLE[code].name}]"
    own = [example.text for example in FIXABLE[code].examples if example.kind == "bad"]
    return [*own, *(text for text in BUGGY if mark in text)]


def _found(data: bytes, code: str) -> list[Finding]:
    result = _linter(code).check_bytes(data, "<stdin>")
    assert result.not_run == ()
    return [finding for finding in result.findings if finding.code == code]


def _fixed(data: bytes, code: str) -> bytes:
    """After all fixes; the fixer itself refuses what does not compile."""
    fixer = Fixer(_linter(code), unsafe=True, write=False)
    assert fixer(data, _linter(code).check_bytes(data, "<stdin>")).not_run == ()
    return fixer.stdin


def _comments(text: str) -> Counter[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(token.string.rstrip() for token in tokens if token.type == tokenize.COMMENT)


def _statement_rows(text: str, rows: set[int]) -> set[int]:
    """All rows of the plain statements (or headers of compound ones) that any of the rows belongs to."""
    found: set[int] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            own = range(node.lineno, (body[0].lineno if body else node.end_lineno or 0) + 1)
            if rows & set(own):
                found.update(own)
    return found


def _check(text: str, code: str) -> bool:
    """Whether there was something to fix."""
    data = text.encode()
    before = _found(data, code)
    offered = [finding.fix for finding in before if finding.fix]
    if not offered:
        return False
    after = _fixed(data, code)
    left = _found(after, code)
    assert len(left) == len(before) - len(offered), after.decode()
    assert _fixed(after, code) == after
    fixed = after.decode()
    if "\r" in text:
        assert fixed.count("\r\n") == fixed.count("\n")
    assert fixed.endswith("\n") == text.endswith("\n")
    if all(fix.applicability is Applicability.SAFE for fix in offered):
        assert _comments(text) - _comments(fixed) == Counter()
    _check_lines(text, fixed, _statement_rows(text, {e.span.start.row for fix in offered for e in fix.edits}))
    return True


def _check_lines(text: str, fixed: str, touched: set[int]) -> None:
    """Every line outside the edited statements is there as it was, in the same order."""
    old, new = text.splitlines(keepends=True), fixed.splitlines(keepends=True)
    for tag, start, end, _, _ in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag in ("replace", "delete"):
            assert set(range(start + 1, end + 1)) <= touched, fixed


@pytest.mark.parametrize("code", FIXABLE)
def test_a_fix_keeps_its_promises_as_written(code: str) -> None:
    assert sum(_check(text, code) for text in _texts(code))


@pytest.mark.parametrize("code", FIXABLE)
def test_a_fix_keeps_its_promises_in_full_disguise(code: str) -> None:
    for text in _texts(code):
        _check(_disguised(text, DISGUISES), code)


@pytest.mark.parametrize("code", FIXABLE)
@settings(suppress_health_check=[HealthCheck.too_slow], derandomize=True, max_examples=10)
@given(data=st.data())
def test_a_fix_keeps_its_promises_in_any_disguise(code: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(_texts(code)))
    chosen = data.draw(st.sets(st.sampled_from(DISGUISES)))
    _check(_disguised(text, [disguise for disguise in DISGUISES if disguise in chosen]), code)


def _disguised(text: str, disguises: Sequence[Disguise]) -> str:
    for disguise in disguises:
        text = disguise(text)
    return text
