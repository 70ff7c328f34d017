"""`[tool.nnlint]` of the nearest pyproject.toml, or nnlint.toml, as a frozen Config."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from nnlint.finding import Severity

_T = TypeVar("_T")


class ConfigError(Exception):
    """A configuration that cannot be followed; the message is one line and names the file."""


def _key(default: _T, text: str) -> _T:
    return field(default=default, metadata={"help": text})


def _table(text: str) -> Any:
    return field(default_factory=dict, hash=False, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Config:
    """The settings; each field is the key of the same name, with hyphens."""

    select: tuple[str, ...] = _key((), "Report these rules only: codes, code prefixes, names or ALL.")
    extend_select: tuple[str, ...] = _key((), "Report these rules too.")
    ignore: tuple[str, ...] = _key((), "Do not report these rules.")
    per_file_ignores: Mapping[str, tuple[str, ...]] = _table(
        "Rules not to report in the files that a pattern fits, as in .gitignore."
    )
    severity: Mapping[str, Severity] = _table("How grave rules are, where that is not what their pages say.")
    exclude: tuple[str, ...] = _key((), "Files and folders to leave out, as in .gitignore.")
    baseline: str = _key(
        "", "The file of findings that are known and not reported; `nnlint baseline` makes it."
    )
    fail_on: Severity = field(
        default=Severity.INFO, metadata={"help": "The least severity that gives exit status 1."}
    )
    output_format: str = _key("text", "How to print the findings.")
    cache_dir: str = _key(
        "", "The folder that keeps what was found in files that have not changed; empty: the user's own."
    )
    docs_url: str = _key("", "Where the site of the rules is: a finding's `url` is this and the rule's name.")
    # Where the settings come from. Patterns are relative to the folder that holds the file.
    path: Path | None = None

    def choosing(
        self, select: tuple[str, ...], extend_select: tuple[str, ...], ignore: tuple[str, ...]
    ) -> Config:
        """These settings under a choice of rules; one that selects takes the place of the whole of theirs."""
        return replace(
            self,
            select=select or self.select,
            extend_select=(*(() if select else self.extend_select), *extend_select),
            ignore=(*self.ignore, *ignore),
        )

    @property
    def root(self) -> Path:
        return self.path.parent if self.path else Path.cwd()


KEYS = tuple(spec.name.replace("_", "-") for spec in fields(Config) if spec.name != "path")
LEVELS = tuple(severity.value for severity in Severity)


def find_config(start: Path) -> Config:
    """The settings that govern a file or folder: those of the nearest folder upwards that has any."""
    start = start.absolute()
    for folder in (start, *start.parents):
        for name in ("nnlint.toml", "pyproject.toml"):
            path = folder / name
            if _is_file(path) and (config := load_config(path)) is not None:
                return config
    return Config()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into, a name that is too long: said when it is read
        return False


def load_config(path: Path) -> Config | None:
    """The settings in one file; None for a pyproject.toml that says nothing about nnlint."""
    table = _read(path)
    if path.name == "pyproject.toml":
        tool = table.get("tool", {})
        if not isinstance(tool, dict) or "nnlint" not in tool:
            return None
        table = tool["nnlint"]
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.nnlint] must be a table")
    values = {key.replace("-", "_"): _value(path, key, value) for key, value in table.items()}
    return Config(**values, path=path)


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _value(path: Path, key: str, value: Any) -> Any:
    if key not in KEYS:
        import difflib

        close = difflib.get_close_matches(key, KEYS, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"the keys are {', '.join(KEYS)}"
        raise ConfigError(f"{path}: unknown key `{key}` for nnlint; {hint}")

    def wrong(what: str) -> ConfigError:
        return ConfigError(f"{path}: `{key}` must be {what}")

    if key in ("baseline", "cache-dir", "docs-url", "output-format"):
        if not isinstance(value, str):
            raise wrong("a string")
        # Editors and pages make a link of it.
        if key == "docs-url" and value and not value.startswith(("https://", "http://")):
            raise wrong("an address that begins with https:// or http://")
        return value
    if key == "fail-on":
        if value not in LEVELS:
            raise wrong(f"one of {', '.join(LEVELS)}, not {value!r}")
        return Severity(value)
    if key == "per-file-ignores":
        if not isinstance(value, dict) or not all(_is_strings(codes) for codes in value.values()):
            raise wrong("a table of file patterns, each with a list of rules")
        return {pattern: tuple(codes) for pattern, codes in value.items()}
    if key == "severity":
        if not isinstance(value, dict) or not all(level in LEVELS for level in value.values()):
            raise wrong(f"a table of rules, each with one of {', '.join(LEVELS)}")
        return {rule: Severity(level) for rule, level in value.items()}
    if not _is_strings(value):
        raise wrong(f"a list of strings, not {value!r}")
    return tuple(value)


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
