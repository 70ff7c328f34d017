"""Runs a file, a module or a notebook the way `python` would: as `__main__`, with its own arguments."""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import importlib.util
import inspect
import io
import linecache
import os
import sys
import tokenize
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, TypeAlias

from nnlint.capture.constants import replaced
from nnlint.capture.plan import Request
from nnlint.finding import shown_name
from nnlint.notebook import Notebook, NotebookError, is_notebook

_Constants: TypeAlias = "tuple[tuple[str, ...], ...]"


class ScriptError(Exception):
    """A target that cannot be run; the message is one line."""


def run(request: Request) -> None:
    """Run it to its end. Whatever the script raises passes through."""
    target, arguments, constants = request.target, request.arguments, request.constants
    if request.module:
        _run_module(target, arguments, constants)
    else:
        path = Path(target)
        sys.argv = [target, *arguments]
        sys.path[0:0] = [str(path.resolve().parent)]
        if is_notebook(target):
            # As in Jupyter, there is no `__file__`.
            _execute(_notebook(path, target, constants), {"display": _display, "get_ipython": _Shell})
        else:
            source = _read(path)
            code = _compile(source, target, constants)
            _remember(target, source)
            # As Python does, absolute: scripts change folders and look for what lies beside them.
            full = os.path.abspath(target)  # noqa: PTH100 (the name through a link stays)
            loader = SourceFileLoader("__main__", full)
            _execute([code], {"__file__": full, "__loader__": loader, "__cached__": None})


def _run_module(name: str, arguments: tuple[str, ...], constants: _Constants) -> None:
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
    source = spec.loader.get_source(spec.name) if constants else None  # type: ignore[attr-defined]
    if source is not None:
        code = _compile(source, spec.origin, constants)
    if code is None:
        raise ScriptError(f"module `{name}` has no Python code to run")
    sys.argv = [spec.origin, *arguments]
    names = {
        "__package__": spec.parent,
        "__spec__": spec,
        "__loader__": spec.loader,
        "__cached__": spec.cached,
    }
    _execute([code], {"__file__": spec.origin, **names})


def _execute(codes: list[types.CodeType], names: dict[str, Any]) -> None:
    main = types.ModuleType("__main__")
    main.__dict__.update(
        {"__builtins__": builtins, "__package__": None, "__spec__": None, "__annotations__": {}, **names}
    )
    # Pickle, multiprocessing and `import __main__` must find the script there, not us.
    sys.modules["__main__"] = main
    for code in codes:
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, main.__dict__))
        else:
            exec(code, main.__dict__)


def _remember(target: str, source: bytes) -> None:
    """Have its lines found by the name that its code bears, wherever the script goes."""
    with contextlib.suppress(SyntaxError, UnicodeDecodeError):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        lines = io.TextIOWrapper(io.BytesIO(source), encoding).read().splitlines(keepends=True)
        linecache.cache[target] = (len(source), None, lines, target)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror or error}") from None


def _compile(
    source: str | bytes, filename: str, constants: _Constants = (), flags: int = 0
) -> types.CodeType:
    try:
        what: Any = source
        if constants:
            tree = compile(source, filename, "exec", flags=flags | ast.PyCF_ONLY_AST, dont_inherit=True)
            what = replaced(tree, constants)
        code: types.CodeType = compile(what, filename, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        row = getattr(error, "lineno", None) or 1
        raise ScriptError(f"{filename}:{row}: {getattr(error, 'msg', error)}") from None
    return code


class _Shell:
    """What `get_ipython()` gives: whatever is asked of it does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def _display(*values: object, **_: object) -> None:
    for value in values:
        print(repr(value))


def _notebook(path: Path, target: str, constants: _Constants) -> list[types.CodeType]:
    """The code cells in order, as plain Python: magics and shell lines do nothing."""
    try:
        notebook = Notebook.read(_read(path))
    except NotebookError as error:
        raise ScriptError(f"{target}:{error.row}: {error.message}") from None
    if notebook.language != "python":
        raise ScriptError(f"{target}: a notebook in {notebook.language}, not in Python")
    script = notebook.script
    script.remember(target)
    return [
        _compile(cell.code, shown_name(target, cell.number), constants, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for cell in script.cells
    ]
