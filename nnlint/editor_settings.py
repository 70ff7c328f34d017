"""What an editor's own settings ask for: rules to report and to leave, over what the settings file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnlint.config import Config

SECTION = "nnlint"


@dataclass(frozen=True, slots=True)
class EditorSettings:
    """The choice of rules of an editor, or of one of its folders; an empty one leaves all as it is."""

    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Any) -> EditorSettings | None:
        """From `{"select": […], "extendSelect": […], "ignore": […]}`, perhaps below "nnlint".

        None for what is no object: an editor says null where it has no settings of ours.
        """
        if not isinstance(given, Mapping):
            return None
        given = given.get(SECTION, given)
        if not isinstance(given, Mapping):
            return None

        def rules(key: str) -> tuple[str, ...]:
            value = given.get(key)
            return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()

        return cls(rules("select"), rules("extendSelect"), rules("ignore"))

    def over(self, config: Config) -> Config:
        """The settings of a file with this choice on top of them, as options on a command line are."""
        return config.choosing(self.select, self.extend_select, self.ignore)
