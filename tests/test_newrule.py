"""`python -m nnlint.newrule` writes two files that load as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import nnlint.newrule
import nnlint.rules
from nnlint.newrule import main, next_code
from nnlint.page import load_page


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("rules", "modules"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(nnlint.newrule, "find_pages_dir", lambda: tmp_path / "rules")
    monkeypatch.setattr(nnlint.rules, "__path__", [str(tmp_path / "modules")])
    return tmp_path


def test_both_files_are_written_with_the_next_free_code(checkout: Path) -> None:
    for name, code in (("first-rule", "NNL401"), ("second-rule", "NNL402")):
        done = CliRunner().invoke(main, [name, "--family", "4"])
        assert done.exit_code == 0, done.output
        assert load_page(checkout / "rules" / f"{name}.md").code == code
    module = (checkout / "modules" / "second_rule.py").read_text()
    assert "class SecondRule(Rule):" in module
    compile(module, "second_rule.py", "exec")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["Softmax_Dim", "--family", "4"], "lower-case words joined by hyphens"),
        (["softmax-dim"], "either --family or --code"),
        (["softmax-dim", "--family", "4", "--code", "NNL410"], "either --family or --code"),
        (["softmax-dim", "--code", "410"], "NNL and three digits"),
        (["other-rule", "--code", "NNL410"], "already the code of softmax-dim"),
        (["softmax-dim", "--code", "NNL411"], "exists"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(args: list[str], why: str, checkout: Path) -> None:
    if why.startswith("already") or why == "exists":
        CliRunner().invoke(main, ["softmax-dim", "--code", "NNL410"])
    before = sorted(checkout.rglob("*.*"))
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 2
    assert why in done.output
    assert sorted(checkout.rglob("*.*")) == before


def test_codes_are_never_taken_from_the_next_family() -> None:
    assert next_code({"NNL401", "NNL403", "NNL501"}, 4) == "NNL404"
    with pytest.raises(ValueError, match="no code is free"):
        next_code({"NNL499"}, 4)
