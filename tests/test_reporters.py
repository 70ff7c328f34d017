"""The same report through every reporter."""

from __future__ import annotations

import json
import re

import pytest

from nnlint import __version__
from nnlint.finding import Applicability, Edit, Finding, Fix, NotRun, Related, Report, Severity, Span, Tier
from nnlint.reporters import reporter, reporter_names

SOURCE = """\
import torch
loss_fn = torch.nn.CrossEntropyLoss()
for x, y in loader:
\tloss = loss_fn(torch.softmax(x, 1), y)
"""

FINDING = Finding(
    code="NNL000",
    name="syntax-error",
    message="`torch.softmax` feeds `loss_fn`",
    filename="train.py",
    span=Span.of(4, 17, 4, 36),
    severity=Severity.ERROR,
    tier=Tier.STATIC,
    url="file:///rules/syntax-error.md",
    fix=Fix("Pass the logits", Applicability.SAFE, (Edit(Span.of(4, 17, 4, 36), "x"),)),
    related=(Related("the loss is made here", "train.py", Span.of(2, 11, 2, 38)),),
    evidence={"axis": 1},
)

REPORT = Report(
    (FINDING,),
    (NotRun("read", "no such file", "b.py"),),
    files=2,
    seconds=0.1234,
    sources={"train.py": SOURCE},
)

TEXT = """\
train.py:4:17: NNL000 `torch.softmax` feeds `loss_fn`
  |
3 | for x, y in loader:
4 |     loss = loss_fn(torch.softmax(x, 1), y)
  |                    ^^^^^^^^^^^^^^^^^^^
  |
  = note: train.py:2:11: the loss is made here
  |
2 | loss_fn = torch.nn.CrossEntropyLoss()
  |           ---------------------------
  |
  = error [syntax-error]: The file cannot be read as Python 3, so nothing in it was checked.
  = fix (safe): Pass the logits
  = help: `nnlint explain NNL000`

not run: b.py: read: no such file

Found 1 error in 2 files (0.12 s).
1 fixable with --fix.
"""


def test_the_text_shows_the_line_why_and_what_to_do() -> None:
    assert reporter("text")(REPORT) == TEXT


def test_colour_adds_nothing_but_colour() -> None:
    colored = reporter("text")(REPORT, color=True)
    assert colored != TEXT
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == TEXT


def test_the_json_has_the_agreed_form() -> None:
    assert json.loads(reporter("json")(REPORT)) == {
        "version": 1,
        "tool": {"name": "nnlint", "version": __version__},
        "findings": [
            {
                "code": "NNL000",
                "name": "syntax-error",
                "message": "`torch.softmax` feeds `loss_fn`",
                "filename": "train.py",
                "cell": None,
                "location": {"row": 4, "column": 17},
                "end_location": {"row": 4, "column": 36},
                "severity": "error",
                "tier": "static",
                "url": "file:///rules/syntax-error.md",
                "fix": {
                    "message": "Pass the logits",
                    "applicability": "safe",
                    "edits": [
                        {
                            "content": "x",
                            "cell": None,
                            "location": {"row": 4, "column": 17},
                            "end_location": {"row": 4, "column": 36},
                        }
                    ],
                },
                "related": [
                    {
                        "message": "the loss is made here",
                        "filename": "train.py",
                        "cell": None,
                        "location": {"row": 2, "column": 11},
                        "end_location": {"row": 2, "column": 38},
                    }
                ],
                "evidence": {"axis": 1},
            }
        ],
        "not_run": [{"what": "read", "why": "no such file", "filename": "b.py"}],
        "skipped": [],
        "results": [],
        "summary": {"files": 2, "findings": 1, "seconds": 0.123, "seed": None},
    }


def _of(*severities: Severity) -> tuple[Finding, ...]:
    return tuple(
        Finding("NNL000", "", "", "a.py", Span.of(1, 1, 1, 1), severity, Tier.STATIC, "")
        for severity in severities
    )


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (Report(), "No Python files found."),
        (Report(files=1), "No findings in 1 file (0.00 s)."),
        (Report(files=5), "No findings in 5 files (0.00 s)."),
        (Report(_of(Severity.INFO), files=1), "Found 1 note in 1 file (0.00 s)."),
        (
            Report(_of(Severity.ERROR, Severity.ERROR, Severity.WARNING, Severity.INFO), files=3),
            "Found 2 errors, 1 warning and 1 note in 3 files (0.00 s).",
        ),
    ],
)
def test_the_last_line_sums_up(report: Report, line: str) -> None:
    assert reporter("text")(report).splitlines()[-1] == line


@pytest.mark.parametrize(
    ("source", "span", "shown"),
    [
        pytest.param("x = 'é漢字' + y", Span.of(1, 12, 1, 13), "x = 'é漢字' + y\n_____________^", id="wide"),
        pytest.param("\t\tx = y", Span.of(1, 7, 1, 8), "        x = y\n____________^", id="tabs"),
        pytest.param("x = f(\n  1)", Span.of(1, 5, 2, 5), "x = f(\n____^^", id="several lines"),
        pytest.param("x", Span.of(1, 2, 1, 2), "x\n_^", id="behind the end"),
        pytest.param("x = '\x1b[31m'", Span.of(1, 1, 1, 2), "x = '�[31m'\n^", id="control characters"),
    ],
)
def test_the_marks_stand_under_the_code(source: str, span: Span, shown: str) -> None:
    finding = Finding("NNL000", "none", "m", "a.py", span, Severity.ERROR, Tier.STATIC, "")
    text = reporter("text")(Report((finding,), files=1, sources={"a.py": source}))
    first, marks = shown.split("\n")
    assert f"1 | {first}\n  | {marks.replace('_', ' ')}\n" in text


def test_a_line_without_end_is_cut_around_the_code() -> None:
    source = "x = [" + "1, " * 5000 + "here, " + "2, " * 5000 + "]"
    column = source.index("here") + 1
    span = Span.of(1, column, 1, column + 4)
    finding = Finding("NNL000", "none", "m", "a.py", span, Severity.ERROR, Tier.STATIC, "")
    lines = reporter("text")(Report((finding,), files=1, sources={"a.py": source})).splitlines()
    assert max(map(len, lines)) < 160
    assert lines[2][lines[3].index("^") :].startswith("here")
    assert lines[3].count("^") == 4


@pytest.mark.parametrize("name", reporter_names())
def test_every_reporter_takes_any_report(name: str) -> None:
    strange = Finding(
        "NNL999", "gone", "m\n%", "no/such.py", Span.of(9, 9, 9, 9), Severity.INFO, Tier.GRAPH, ""
    )
    for report in (Report(), REPORT, Report((strange,), files=1)):
        text = reporter(name)(report)
        assert text.endswith("\n") or (text == "" and not report.findings and not report.not_run)
