"""Finds what turns the numbers of a batch back into words: tokenizers, vocabularies, names of classes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# Data sets wrap one another: subsets, concatenations of one.
_DEEPEST = 6


class Reader:
    """Reads for the batches of one loader (None: of no loader)."""

    def __init__(self, loader: Any) -> None:
        self._datasets = list(_chain(getattr(loader, "dataset", None)))
        collate = getattr(loader, "collate_fn", None)
        # Where a word book may be kept: at what makes batches, at the data set, in the script itself.
        self._holders = [collate, getattr(collate, "__self__", None), *self._datasets]
        self._script = sys.modules.get("__main__")

    def classes(self, numbers: Sequence[int]) -> list[str]:
        """The labels, each with the name of its class if the data set has a list of them."""
        for dataset in self._datasets:
            names = getattr(dataset, "classes", None)
            if (
                isinstance(names, (list, tuple))
                and all(isinstance(name, str) for name in names)
                and all(0 <= number < len(names) for number in numbers)
            ):
                return [f"{number} {names[int(number)][:40]}" for number in numbers]
        return [str(number) for number in numbers]

    def read(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """What the rows of ids say; empty texts where nothing can tell, or several word books differ."""
        if all(number in (0, 1) for row in rows for number in row):
            # A mask.
            return [""] * len(rows)
        found: set[tuple[str, ...]] = set()
        for spell in self._spellers():
            # A word book of something else fails on these ids, in whatever way.
            with contextlib.suppress(Exception):
                texts = tuple(spell(row) for row in rows)
                if all(isinstance(text, str) for text in texts) and any(texts):
                    found.add(texts)
        return list(found.pop()) if len(found) == 1 else [""] * len(rows)

    def _spellers(self) -> Iterator[Callable[[Sequence[int]], str]]:
        seen: set[int] = set()
        for holder in (*self._holders, self._script):
            if holder is None:
                continue
            # The script's own names come and go while it runs.
            values = list(getattr(holder, "__dict__", {}).values())
            for value in (holder, *values) if holder is not self._script else values:
                if id(value) not in seen:
                    seen.add(id(value))
                    yield from _speller(value)


def _speller(value: Any) -> Iterator[Callable[[Sequence[int]], str]]:
    if isinstance(value, type):
        return
    if callable(getattr(value, "decode", None)) and callable(getattr(value, "encode", None)):
        # Strings have both, too; they fail on numbers.
        yield lambda row: value.decode([number for number in row if number >= 0])
    elif isinstance(value, Mapping):
        if value and all(isinstance(key, int) and isinstance(word, str) for key, word in value.items()):
            yield lambda row: _joined([value[number] for number in row])
    elif isinstance(value, (list, tuple)) and len(value) > 2 and isinstance(value[0], str):
        if all(isinstance(word, str) for word in value) and len(set(value)) == len(value):
            yield lambda row: _joined([value[_index(number)] for number in row])
    elif callable(getattr(value, "get_itos", None)):
        yield lambda row: _joined([value.get_itos()[_index(number)] for number in row])


def _index(number: int) -> int:
    if number < 0:
        raise IndexError(number)
    return number


def _joined(words: Sequence[str]) -> str:
    return ("" if all(len(word) == 1 for word in words) else " ").join(words)


def _chain(dataset: Any) -> Iterator[Any]:
    for _ in range(_DEEPEST):
        if dataset is None:
            return
        yield dataset
        dataset = getattr(dataset, "dataset", None)
