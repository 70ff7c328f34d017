"""From files to a report: gates, places, failures of rules, what cannot be read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import libcst as cst
import pytest
from support import make_page

from nnlint.engine import Linter
from nnlint.finding import Applicability, Edit, Severity, Span, Tier
from nnlint.page import load_pages
from nnlint.rule import Draft, Insertion, Problem, Replacement, Rule, RuleError

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel

OWN = tuple(page for page in load_pages() if not page.tiers)


def _statements(script: ScriptModel) -> Sequence[cst.SimpleStatementLine]:
    body = script.module.body
    return [line for line in body if isinstance(line, cst.SimpleStatementLine)]


class Loud(Rule, page=make_page("loud-rule", "NNL998", fix="unsafe")):
    """Reports every top-level assignment of zero, and blames the first statement."""

    words = ("0",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        first = _statements(script)[0]
        for line in _statements(script):
            match line.body[0]:
                case cst.Assign(value=cst.Integer(value="0") as zero):
                    fix = Draft("Say one", (Replacement(zero, "1"), Insertion(line, "# was 0", line=True)))
                    yield self.problem(zero, "zero", related=((first, "first"),), fix=fix, rank=1)


class Broken(Rule, page=make_page("broken-rule", "NNL999")):
    """Says one thing, then fails."""

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        yield self.problem(_statements(script)[0], "half", severity=Severity.ERROR)
        raise ValueError("two\nlines")


def _linter(
    *rules: Rule,
    codes: Sequence[str] = ("NNL000", "NNL001", "NNL998", "NNL999"),
    ignores: Mapping[str, Sequence[str]] | None = None,
    root: Path = Path("/"),
) -> Linter:
    pages = (*OWN, *(rule.page for rule in rules))
    return Linter(pages, rules, codes, ignores or {}, (), root)


TEXT = 'import torch\nx = 0\né = "😀"; y = 0\nz = 0  # nnlint: ignore[loud-rule]\n'


def test_a_problem_becomes_a_finding_with_one_based_places() -> None:
    (finding,) = _linter(Loud()).check_text(TEXT, "a.py").findings
    assert (finding.code, finding.name, finding.message) == ("NNL998", "loud-rule", "zero")
    assert (finding.span, finding.filename) == (Span.of(2, 5, 2, 6), "a.py")
    assert (finding.severity, finding.tier, finding.evidence) == (Severity.WARNING, Tier.STATIC, {"rank": 1})
    (related,) = finding.related
    assert (related.message, related.filename, related.span) == ("first", "a.py", Span.of(1, 1, 1, 13))
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.UNSAFE
    assert finding.fix.edits == (Edit(Span.of(2, 1, 2, 1), "# was 0\n"), Edit(Span.of(2, 5, 2, 6), "1"))


def test_a_rule_is_skipped_without_its_words() -> None:
    assert (
        _linter(Loud(), Broken())
        .check_text("import torch\nx = 1\n")
        .not_run[0]
        .what.startswith("rule NNL999")
    )
    assert _linter(Loud()).check_text("import torch\nx = 1\n").findings == ()


def test_a_file_outside_the_torch_world_is_not_even_parsed() -> None:
    report = _linter(Loud()).check_text("x = 0\ny = (\n")
    assert (report.findings, report.not_run, report.files) == ((), (), 1)


def test_a_rule_that_fails_is_reported_and_the_others_go_on() -> None:
    report = _linter(Broken(), Loud()).check_text(TEXT, "a.py")
    assert [finding.code for finding in report.findings] == ["NNL998"]
    (entry,) = report.not_run
    assert (entry.what, entry.why) == ("rule NNL999 broken-rule", "ValueError: two lines")
    assert entry.filename == "a.py"
    assert report.status() == 2


def test_a_rule_that_fails_in_one_file_leaves_the_other_files_alone(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(TEXT)
    report = _linter(Broken(), Loud()).check([tmp_path])
    assert [Path(finding.filename).name for finding in report.findings] == ["a.py", "b.py"]
    assert [Path(entry.filename).name for entry in report.not_run] == ["a.py", "b.py"]


def test_the_same_problem_twice_is_one_finding() -> None:
    assert len(_linter(Loud(), Loud()).check_text(TEXT).findings) == 1


def test_a_code_that_is_not_selected_is_not_reported() -> None:
    assert _linter(Loud(), codes=("NNL000",)).check_text(TEXT).findings == ()


def test_a_fix_that_the_page_does_not_promise_is_the_rules_failure() -> None:
    class Sly(Rule, page=make_page("sly-rule", "NNL999")):
        def check_source(self, script: ScriptModel) -> Iterator[Problem]:
            line = _statements(script)[0]
            yield self.problem(line, "m", fix=Draft("f", (Replacement(line, ""),)))

    (entry,) = _linter(Sly()).check_text(TEXT).not_run
    assert "offers a fix, but its page says" in entry.why


def test_a_rule_without_a_page_cannot_be_made() -> None:
    with pytest.raises(RuleError, match=r"test-engine.md:1: there is no such page"):

        class Lost(Rule):
            pass


def test_a_file_that_does_not_parse_is_a_finding_whatever_is_selected() -> None:
    report = _linter(codes=("NNL000",)).check_text("import torch\nx = (\n", "a.py")
    (finding,) = report.findings
    assert (finding.code, finding.tier, finding.filename) == ("NNL000", Tier.TOOL, "a.py")
    assert report.status() == 1


def test_per_file_ignores_hold_for_matching_files_only(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for path in (tmp_path / "old" / "a.py", tmp_path / "a.py"):
        path.write_text(TEXT)
    linter = _linter(Loud(), ignores={"old/": ["NNL998"]}, root=tmp_path)
    assert [finding.filename for finding in linter.check([tmp_path]).findings] == [str(tmp_path / "a.py")]


def test_findings_are_sorted_whatever_the_order_of_paths(tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.py").write_text(TEXT)
    report = _linter(Loud()).check([tmp_path / "b.py", tmp_path / "a.py", tmp_path])
    assert [Path(finding.filename).name for finding in report.findings] == ["a.py", "b.py"]
    assert report.files == 2
    assert set(report.sources.values()) == {TEXT}


def test_standard_input_is_a_file_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    report = _linter(Loud()).check(["-"])
    assert [finding.filename for finding in report.findings] == ["<stdin>"]
    assert report.files == 1


def test_a_path_that_is_missing_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TEXT)
    report = _linter(Loud()).check([tmp_path / "none.py", tmp_path / "a.py"])
    assert len(report.findings) == 1
    assert [(entry.what, entry.why) for entry in report.not_run] == [("read", "No such file or directory")]
    assert report.status() == 2


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> bytes:
        raise PermissionError(13, "Permission denied", name)

    (tmp_path / "a.py").write_text(TEXT)
    monkeypatch.setattr("nnlint.sweep.read", refuse)
    (entry,) = _linter(Loud()).check([tmp_path]).not_run
    assert (entry.why, entry.filename) == ("Permission denied", str(tmp_path / "a.py"))
