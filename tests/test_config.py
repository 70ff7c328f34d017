"""Settings: where they are found, what they mean, and how a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from support import CHECKOUT

from nnlint.config import Config, ConfigError, find_config, load_config
from nnlint.engine import Linter
from nnlint.finding import Severity
from nnlint.schema import schema


def _write(folder: Path, text: str, name: str = "pyproject.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        """
        [tool.nnlint]
        select = ["NNL3"]
        extend-select = ["NNL101"]
        ignore = ["bare-squeeze"]
        exclude = ["old/"]
        fail-on = "warning"
        output-format = "json"
        baseline = "known.json"
        docs-url = "https://example.org/rules"
        [tool.nnlint.per-file-ignores]
        "a*.py" = ["NNL303"]
        [tool.nnlint.severity]
        NNL3 = "info"
        """,
    )
    assert load_config(path) == Config(
        select=("NNL3",),
        extend_select=("NNL101",),
        ignore=("bare-squeeze",),
        per_file_ignores={"a*.py": ("NNL303",)},
        exclude=("old/",),
        fail_on=Severity.WARNING,
        output_format="json",
        baseline="known.json",
        docs_url="https://example.org/rules",
        severity={"NNL3": Severity.INFO},
        path=path,
    )


def test_the_nearest_folder_with_settings_wins_and_nothing_is_merged(tmp_path: Path) -> None:
    _write(tmp_path, '[tool.nnlint]\nignore = ["NNL1"]\nfail-on = "error"\n')
    near = _write(tmp_path / "a", '[tool.nnlint]\nselect = ["NNL3"]\n')
    _write(tmp_path / "a" / "b", "[tool.other]\nkey = 1\n")
    assert find_config(tmp_path / "a" / "b") == Config(select=("NNL3",), path=near)


def test_nnlint_toml_needs_no_table_name(tmp_path: Path) -> None:
    path = _write(tmp_path, 'select = ["NNL3"]\n', "nnlint.toml")
    assert find_config(tmp_path) == Config(select=("NNL3",), path=path)


def test_without_settings_the_defaults_hold(tmp_path: Path) -> None:
    _write(tmp_path, "[project]\nname = 'x'\n")
    assert load_config(tmp_path / "pyproject.toml") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param('[tool.nnlint]\nselct = ["NNL3"]', "did you mean `select`?", id="misspelt key"),
        pytest.param("[tool.nnlint]\nzzz = 1", "the keys are select, ", id="unknown key"),
        pytest.param("[tool.nnlint]\nextend_select = []", "`extend-select`?", id="underscore for hyphen"),
        pytest.param('[tool.nnlint]\nselect = "NNL3"', "`select` must be a list", id="string for list"),
        pytest.param(
            "[tool.nnlint]\nselect = [3]", "`select` must be a list of strings", id="list of numbers"
        ),
        pytest.param('[tool.nnlint]\nfail-on = "never"', "one of error, warning, info", id="no such level"),
        pytest.param("[tool.nnlint]\nfail-on = [1]", "one of error, warning, info", id="list for level"),
        pytest.param("[tool.nnlint]\noutput-format = 1", "must be a string", id="number for format"),
        pytest.param('[tool.nnlint]\ndocs-url = "javascript:1"', "begins with https://", id="no address"),
        pytest.param("[tool.nnlint]\nper-file-ignores = []", "must be a table", id="list for table"),
        pytest.param(
            "[tool.nnlint.per-file-ignores]\na = 1", "must be a table", id="number for list of rules"
        ),
        pytest.param("[tool]\nnnlint = 1", "must be a table", id="number for everything"),
        pytest.param("[tool.nnlint\n", "not valid TOML", id="broken TOML"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(text: str, why: str, tmp_path: Path) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        find_config(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_settings_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not valid TOML"):
        find_config(tmp_path)


def test_a_settings_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")


def test_severities_and_addresses_are_as_asked(tmp_path: Path) -> None:
    text = "import torch\nfrom torch import nn\nnet = nn.Linear(2, 2)\nnet.eval\n"
    path = _write(
        tmp_path, 'docs-url = "https://example.org/rules/"\n[severity]\nNNL30 = "info"\n', "nnlint.toml"
    )
    config = load_config(path)
    assert config is not None
    (finding,) = Linter.load(config).check_text(text).findings
    assert (finding.code, finding.severity) == ("NNL309", Severity.INFO)
    assert finding.url == "https://example.org/rules/uncalled-method/"
    (plain,) = Linter.load(Config()).check_text(text).findings
    assert plain.severity is not Severity.INFO


def test_the_schema_is_current_and_valid() -> None:
    written = (CHECKOUT / "nnlint" / "nnlint.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == schema(), "run `nnlint schema > nnlint/nnlint.schema.json`"
    Draft7Validator.check_schema(schema())


@pytest.mark.parametrize(
    ("settings", "fits"),
    [
        ({"select": ["NNL3"], "fail-on": "warning", "severity": {"NNL303": "info"}}, True),
        ({"per-file-ignores": {"a.py": ["NNL3"]}, "output-format": "sarif", "baseline": "a.json"}, True),
        ({"selec": []}, False),
        ({"fail-on": "never"}, False),
        ({"severity": {"NNL303": "none"}}, False),
        ({"select": "NNL3"}, False),
        ({"output-format": "xml"}, False),
    ],
)
def test_the_schema_takes_what_nnlint_takes(settings: dict[str, object], fits: bool) -> None:
    assert Draft7Validator(schema()).is_valid(settings) == fits
