"""A rule that fails is told by file and name wherever rules are asked, and the others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from nnlint import registry
from nnlint.capture.plan import Request
from nnlint.capture.supervise import Capture
from nnlint.cli import cli
from nnlint.config import Config
from nnlint.engine import Linter
from nnlint.examine import examine
from nnlint.graph.step import GraphStep
from nnlint.judge import judge
from nnlint.rule import Rule

TEXT = """\
import torch
from torch import nn

model = nn.Linear(4, 3)
optimizer = torch.optim.Adam(model.parameters())
for x, y in loader:
    optimizer.zero_grad
    loss = nn.functional.cross_entropy(model(x).softmax(1), y)
    loss.backward()
    optimizer.step()
"""
FAILURE = "rule NNL309 uncalled-method", "ValueError: two lines"


def _fail(*_: Any) -> Iterator[Any]:
    raise ValueError("two\nlines")
    yield


def _rule(name: str) -> Rule:
    pages = registry.pages()
    return next(
        rule for rule in registry.rules(registry.select(pages, ("ALL",), (), ())) if rule.page.name == name
    )


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """`uncalled-method` fails on every file."""
    monkeypatch.setattr(type(_rule("uncalled-method")), "check_source", _fail)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(TEXT, encoding="utf-8")
    return path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--isolated", *arguments])


def test_the_sound_linter_finds_both(script: Path) -> None:
    result = _run(str(script))
    assert (result.exit_code, "NNL309" in result.output, "NNL201" in result.output) == (1, True, True)


@pytest.mark.usefixtures("broken")
def test_the_command_says_it_in_each_format_with_status_2(script: Path) -> None:
    for style in ("text", "json", "github", "sarif", "html"):
        result = _run("--no-cache", "--output-format", style, str(script))
        assert result.exit_code == 2, style
        assert "NNL201" in result.output, style
        assert all(part in result.output for part in FAILURE), style
    report = json.loads(_run("--no-cache", "--output-format", "json", str(script)).stdout)
    assert [(entry["what"], entry["why"], entry["filename"]) for entry in report["not_run"]] == [
        (*FAILURE, str(script))
    ]


@pytest.mark.usefixtures("broken")
def test_no_file_is_called_clean_where_a_rule_failed(tmp_path: Path) -> None:
    path = tmp_path / "sound.py"
    path.write_text(TEXT.replace("zero_grad", "zero_grad()").replace(".softmax(1)", ""), encoding="utf-8")
    for arguments in ([], ["--fix"], ["--diff"], ["--exit-zero"]):
        assert _run("--no-cache", *arguments, str(path)).exit_code == 2, arguments


@pytest.mark.usefixtures("broken")
def test_flake8_says_it_on_the_first_line() -> None:
    flake8 = pytest.importorskip("nnlint.flake8")
    said = [message for _, _, message, _ in flake8.Plugin(None, "train.py", TEXT.splitlines(True)).run()]
    assert any("not run: " + ": ".join(FAILURE) in message for message in said)
    assert any(message.startswith("NNL201") for message in said)


@pytest.mark.usefixtures("broken")
def test_the_server_says_it_once(monkeypatch: pytest.MonkeyPatch, script: Path) -> None:
    server = pytest.importorskip("nnlint.server")
    said: list[str] = []
    monkeypatch.setattr(server.Server, "window_show_message", lambda _, given: said.append(given.message))
    at_work, uri = server.make_server(), script.as_uri()
    for _ in range(2):
        found = at_work._read(server.Open(uri, [uri]), {uri: TEXT})
        assert [finding.code for finding in found[uri]] == ["NNL201"]
    assert said == [f"nnlint: {script}: {FAILURE[0]}: {FAILURE[1]}"]


def test_a_failure_in_any_tier_of_a_run_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped, other = _rule("softmax-dim"), _rule("dead-update")
    seen = Capture(first_step=cast(Any, SimpleNamespace()))
    monkeypatch.setattr(type(stepped), "check_graph", _fail)
    monkeypatch.setattr(type(other), "check_runs", _fail)
    step = cast(GraphStep, SimpleNamespace(not_followed=list))
    said = judge([stepped, other], seen, step, "train.py")
    assert [(entry.what, entry.why, entry.filename) for entry in said.not_run] == [
        ("rule NNL410 softmax-dim", FAILURE[1], "train.py"),
        ("rule NNL319 dead-update", FAILURE[1], "train.py"),
    ]


def test_a_rule_that_fails_to_say_what_it_needs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = _rule("dead-update")
    monkeypatch.setattr(type(rule), "more", lambda *_: 1 / 0)
    said = judge([rule], Capture(first_step=cast(Any, SimpleNamespace())), None, "train.py")
    assert [entry.why for entry in said.not_run] == ["ZeroDivisionError: division by zero"]


def test_examine_reports_the_failures_of_both_kinds(
    broken: None, monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    del broken
    monkeypatch.setattr(type(_rule("dead-update")), "check_runs", _fail)
    step = SimpleNamespace(place=None, losses=(), criteria=(), roots=(), optimizers=())
    seen = Capture(first_step=cast(Any, step))
    monkeypatch.setattr("nnlint.examine.capture", lambda *_, **__: seen)
    linter = Linter.load(Config(select=("uncalled-method", "dead-update", "NNL201")))
    report, _ = examine(linter, Request(str(script)))
    assert [finding.code for finding in report.findings] == ["NNL201"]
    told = {(entry.what, entry.why) for entry in report.not_run}
    assert {FAILURE, ("rule NNL319 dead-update", FAILURE[1])} <= told
