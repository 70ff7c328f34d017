"""SARIF: valid by the OASIS schema, within GitHub's limits, and telling one finding from another for good."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import SCRIPT, STRANGE, finding, linted
from jsonschema import Draft4Validator
from support import CHECKOUT

from nnlint import fixes
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.finding import Edit, Fix, Report, Severity, Span
from nnlint.reporters import reporter, sarif

VALIDATOR = Draft4Validator(
    json.loads((CHECKOUT / "tests/data/sarif-schema-2.1.0.json").read_text(encoding="utf-8")),
    format_checker=Draft4Validator.FORMAT_CHECKER,
)


def _run(report: Report) -> dict[str, Any]:
    log = json.loads(reporter("sarif")(report))
    assert [error.message for error in VALIDATOR.iter_errors(log)] == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_the_schema_can_refuse() -> None:
    log = json.loads(reporter("sarif")(linted()))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not VALIDATOR.is_valid(log)


@pytest.mark.parametrize("report", [Report(), linted(), STRANGE], ids=["empty", "linted", "strange"])
def test_every_report_is_valid(report: Report) -> None:
    run = _run(report)
    assert len(run["results"]) == len(report.findings)
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] > 0


def test_the_whole_rule_book_is_valid_and_within_the_limits() -> None:
    report = Linter.load(Config(select=("ALL",))).check([CHECKOUT / "fixtures/buggy"])
    run = _run(report)
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) > 20
    for rule in rules:
        assert max(len(rule["shortDescription"]["text"]), len(rule["fullDescription"]["text"])) <= 1024
        assert rule["help"]["markdown"].startswith(f"# {rule['name']} ({rule['id']})")
        assert "```py bad" not in rule["help"]["markdown"]
        assert len(rule["properties"]["tags"]) <= 20


def test_places_and_paths() -> None:
    first, second = _run(linted())["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/train.py"},
        "region": {"startLine": 5, "startColumn": 15, "endLine": 5, "endColumn": 23},
    }
    (related,) = second["relatedLocations"]
    assert related["physicalLocation"]["region"]["startLine"] == 7
    outside = _run(Report((finding(filename="/else where/a.py"),)))["results"][0]
    assert (
        outside["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///else%20where/a.py"
    )
    inside = _run(Report((finding(filename=str(Path.cwd() / "a.py")),)))["results"][0]
    assert inside["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a.py"


def test_a_finding_in_a_cell_says_so() -> None:
    result = _run(STRANGE)["results"][1]
    assert result["message"]["text"] == "cell 3, line 2: in a cell"
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "n.ipynb:cell 3"


def test_what_was_not_run_makes_the_run_unsuccessful() -> None:
    (invocation,) = _run(STRANGE)["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "read: no such file"
    assert _run(linted())["invocations"][0]["executionSuccessful"]


def test_a_fix_is_the_one_that_is_applied() -> None:
    (change,) = _run(linted())["results"][0]["fixes"][0]["artifactChanges"]
    edits = []
    for each in change["replacements"]:
        region = each["deletedRegion"]
        places = (region[key] for key in ("startLine", "startColumn", "endLine", "endColumn"))
        edits.append(Edit(Span.of(*places), each["insertedContent"]["text"]))
    wanted = linted().findings[0].fix
    assert isinstance(wanted, Fix)
    assert fixes.edited(SCRIPT, edits) == fixes.apply(SCRIPT, [wanted])


def _keys(text: str) -> list[str]:
    return [
        result["partialFingerprints"]["primaryLocationLineHash"] for result in _run(linted(text))["results"]
    ]


def test_fingerprints_survive_lines_that_move_and_tell_copies_apart() -> None:
    keys = _keys(SCRIPT)
    assert len(set(keys)) == 2
    assert _keys(f"# {'x' * 30}\n\n{SCRIPT}") == keys
    assert _keys(SCRIPT.replace("loss = loss_fn", "loss   = loss_fn")) == keys
    assert _keys(SCRIPT.replace("net.eval", "net.eval ; z = 1"))[0] != keys[0]
    twice = _keys(SCRIPT.replace('name = "漢字😀"; net.eval', "net.eval\nnet.eval\nnet.eval\nnet.eval"))
    assert len(set(twice)) == len(twice) == 5
    assert len({key.partition(":")[0] for key in twice}) == 4


def test_too_many_results_leave_the_gravest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 2)
    some = tuple(finding(row=row) for row in (1, 2, 3))
    grave = replace(finding(row=9), severity=Severity.ERROR)
    run = _run(Report((*some, grave)))
    assert [result["level"] for result in run["results"]] == ["note", "error"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("2 findings are left out")
