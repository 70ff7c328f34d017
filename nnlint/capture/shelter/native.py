"""Compiled libraries that open files by name themselves: they are given the name of where the file lies."""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from nnlint.capture.shelter.imports import after_import

Way = Callable[[Any, "tuple[Any, ...]"], Any]


def redirect_native(reading: Callable[..., Any], writing: Callable[..., Any]) -> None:
    """Have these libraries' arguments taken to where they lead, once each is imported."""

    def fresh(name: Any, _: tuple[Any, ...]) -> Any:
        return writing(name, keep=False)

    def read(name: Any, _: tuple[Any, ...]) -> Any:
        return reading(name)

    def opened(name: Any, arguments: tuple[Any, ...]) -> Any:
        # HDF5's flag for writing is 1.
        return writing(name) if len(arguments) > 1 and int(arguments[1]) & 1 else reading(name)

    def database(name: Any, _: tuple[Any, ...]) -> Any:
        text = os.fsdecode(name)
        if not text or text.startswith((":memory:", "file::memory:")):
            return name
        scheme = "file:" if text.startswith("file:") else ""
        path, mark, options = text.removeprefix(scheme).partition("?" if scheme else "\0")
        for kept in (f"{path}-wal", f"{path}-journal"):
            if os.path.exists(kept):  # noqa: PTH110
                writing(kept)
        return f"{scheme}{writing(path)}{mark}{options}"

    # The module, the function in it, which argument is the name, and what becomes of it.
    known: dict[str, tuple[tuple[str, int, Way], ...]] = {
        "torch._C": (
            ("PyTorchFileWriter", 0, fresh),
            ("PyTorchFileReader", 0, read),
            ("ScriptModule.save", 1, fresh),
            ("import_ir_module", 1, read),
        ),
        "safetensors._safetensors_rust": (("serialize_file", 1, fresh), ("safe_open", 0, read)),
        "h5py.h5f": (("create", 0, fresh), ("open", 0, opened)),
        "_sqlite3": (("connect", 0, database),),
    }
    after_import({name: partial(_replace, functions) for name, functions in known.items()})


def _replace(functions: tuple[tuple[str, int, Way], ...], module: types.ModuleType) -> None:
    for dotted, position, way in functions:
        owner: Any = module
        *outer, name = dotted.split(".")
        for part in outer:
            owner = getattr(owner, part, None)
        function = getattr(owner, name, None)
        if function is not None:
            setattr(owner, name, _wrapper(function, position, way))


def _wrapper(function: Callable[..., Any], position: int, way: Way) -> Callable[..., Any]:
    def redirected(*args: Any, **kwargs: Any) -> Any:
        if len(args) > position and isinstance(args[position], (str, bytes, os.PathLike)):
            name = args[position]
            place = way(name, args)
            if isinstance(name, bytes):
                place = os.fsencode(place)
            args = (*args[:position], place, *args[position + 1 :])
        return function(*args, **kwargs)

    return redirected
