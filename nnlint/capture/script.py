"""Runs a file, a module or a notebook the way `python` would: as `__main__`, with its own arguments."""

from __future__ import annotations

import builtins
import importlib.util
import io
import json
import os
import sys
import types
from pathlib import Path
from typing import Any


class ScriptError(Exception):
    """A target that cannot be run; the message is one line."""


def run(target: str, arguments: tuple[str, ...], *, module: bool) -> None:
    """Run it to its end. Whatever the script raises passes through."""
    if module:
        _run_module(target, arguments)
    else:
        path = Path(target)
        sys.argv = [target, *arguments]
        sys.path[0:0] = [str(path.resolve().parent)]
        codes = _notebook(path) if path.suffix == ".ipynb" else [_compile(_read(path), target)]
        _execute(codes, {"__file__": target})


def _run_module(name: str, arguments: tuple[str, ...]) -> None:
    sys.path[0:0] = [str(Path.cwd())]
    sys.argv = ["-m", *arguments]
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise ScriptError(f"module `{name}` cannot be found: {error}") from None
    if spec is None or spec.loader is None or spec.origin is None:
        raise ScriptError(f"there is no module `{name}` to run")
    code = spec.loader.get_code(spec.name)  # type: ignore[attr-defined]
    if code is None:
        raise ScriptError(f"module `{name}` has no Python code to run")
    sys.argv = [spec.origin, *arguments]
    _execute([code], {"__file__": spec.origin, "__package__": spec.parent, "__spec__": spec})


def _execute(codes: list[types.CodeType], names: dict[str, Any]) -> None:
    main = types.ModuleType("__main__")
    main.__dict__.update({"__builtins__": builtins, "__package__": None, "__spec__": None, **names})
    # Pickle, multiprocessing and `import __main__` must find the script there, not us.
    sys.modules["__main__"] = main
    for code in codes:
        exec(code, main.__dict__)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror or error}") from None


def _compile(source: str | bytes, filename: str) -> types.CodeType:
    try:
        code: types.CodeType = compile(source, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        row = getattr(error, "lineno", None) or 1
        raise ScriptError(f"{filename}:{row}: {getattr(error, 'msg', error)}") from None
    return code


def _notebook(path: Path) -> list[types.CodeType]:
    """The code cells in order. Magics and shell lines do nothing; a cell of another language is left out."""
    try:
        cells = json.loads(_read(path))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise ScriptError(f"{path}: not a notebook") from None
    codes = []
    for number, source in enumerate(sources, 1):
        if not source.lstrip().startswith("%%"):
            codes.append(_compile(_plain(source), f"{os.fspath(path)}:cell {number}"))
    return codes


def _plain(source: str) -> str:
    """The cell with its magics (`%`, `!`, a trailing `?`) replaced by `pass`, line by line."""
    lines = []
    for line in io.StringIO(source):
        text = line.lstrip()
        magic = text.startswith(("%", "!")) or text.rstrip().endswith("?")
        lines.append(f"{line[: len(line) - len(text)]}pass\n" if magic else line)
    return "".join(lines)
