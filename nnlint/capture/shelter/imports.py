"""Changes modules once they are imported, or at once if they have been."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from typing import Any, TypeAlias

Change: TypeAlias = Callable[[types.ModuleType], None]


def after_import(changes: Mapping[str, Change]) -> None:
    """Have each of these modules changed, by its name."""
    for name in changes.keys() & sys.modules.keys():
        changes[name](sys.modules[name])
    sys.meta_path.insert(0, _Finder(changes))


class _Finder(MetaPathFinder):
    """Finds nothing itself; has a module changed after it was loaded."""

    def __init__(self, changes: Mapping[str, Change]) -> None:
        self.changes = changes

    def find_spec(
        self, fullname: str, path: Any, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.changes:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_change(module: types.ModuleType) -> None:
            load(module)
            self.changes[fullname](module)

        spec.loader.exec_module = load_and_change  # type: ignore[method-assign]
        return spec
