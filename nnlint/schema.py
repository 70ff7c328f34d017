"""The JSON schema of the settings, made from `Config`: with it editors complete and check nnlint.toml."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from nnlint.config import KEYS, LEVELS, Config
from nnlint.finding import Severity
from nnlint.reporters import reporter_names

_STRINGS = {"type": "array", "items": {"type": "string"}}
_LEVEL = {"enum": list(LEVELS)}


def schema() -> dict[str, Any]:
    """A JSON schema (draft 7) of nnlint.toml, and of `[tool.nnlint]` in pyproject.toml."""
    hints = get_type_hints(Config)
    properties: dict[str, Any] = {}
    for spec in fields(Config):
        if (key := spec.name.replace("_", "-")) in KEYS:
            properties[key] = {"description": spec.metadata["help"], **_type(hints[spec.name])}
            if spec.name == "output_format":
                properties[key]["enum"] = list(reporter_names())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of nnlint",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _type(hint: Any) -> dict[str, Any]:
    if hint is str:
        return {"type": "string"}
    if hint is Severity:
        return dict(_LEVEL)
    if hint == tuple[str, ...]:
        return dict(_STRINGS)
    values = hint.__args__[1]
    return {"type": "object", "additionalProperties": _type(values)}
