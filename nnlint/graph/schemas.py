"""What the schema of an operator says, read once: asking torch for it costs as much as a small operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

# They give memory that holds nothing yet.
_EMPTY = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})


@dataclass(frozen=True, slots=True)
class Schema:
    """`arguments` are names and defaults; `written` the positions and names of those that it writes to.

    `reads` says whether it reads the numbers of its arguments, or only their form; `reshapes` whether it
    makes another view of a tensor in place; `empty` whether its result holds nothing yet.
    """

    arguments: tuple[tuple[str, Any], ...]
    written: tuple[tuple[int, str], ...]
    reads: bool
    reshapes: bool
    empty: bool

    def writes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
        """The tensors of a call that it writes to, in the order of the schema."""
        found: list[torch.Tensor] = []
        for number, name in self.written:
            found += tensors_in(args[number] if number < len(args) else kwargs.get(name))
        return found


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """All those in an argument or a result."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


@cache
def schema_of(operator: Any) -> Schema | None:
    """None for what has no schema: a higher-order operator."""
    schema = getattr(operator, "_schema", None)
    if schema is None:
        return None
    name = schema.name.rpartition("::")[2]
    arguments = schema.arguments
    views = any(entry.alias_info is not None for entry in schema.returns)
    formal = views or schema.is_mutable or name.endswith("_like") or name.startswith("new_")
    return Schema(
        arguments=tuple(
            (entry.name, entry.default_value if entry.has_default_value() else None) for entry in arguments
        ),
        written=tuple(
            (number, entry.name)
            for number, entry in enumerate(arguments)
            if entry.alias_info is not None and entry.alias_info.is_write
        ),
        reads=not formal,
        reshapes=torch.Tag.inplace_view in operator.tags,
        empty=name in _EMPTY,
    )
