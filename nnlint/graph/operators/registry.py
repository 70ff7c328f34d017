"""The table of transfer rules, filled by the modules of this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from nnlint.graph.axes import Value
    from nnlint.graph.call import Call

    Function: TypeAlias = Callable[[Call], Value | tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Transfer:
    """`always`: asked even where no argument depends on a sample. `fresh`: reads no numbers, only sizes."""

    function: Function
    always: bool = False
    fresh: bool = False


RULES: dict[str, Transfer] = {}


def rule(*names: str, always: bool = False, fresh: bool = False) -> Callable[[Function], Function]:
    """Enter a transfer rule under the names of its operators."""

    def enter(function: Function) -> Function:
        for name in names:
            assert name not in RULES, f"two rules for {name}"
            RULES[name] = Transfer(function, always, fresh)
        return function

    return enter
