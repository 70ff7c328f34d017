"""nnlint finds the bugs that let a PyTorch script run, lower its loss, and still be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnlint.finding import (
    Applicability,
    Edit,
    Finding,
    Fix,
    NotRun,
    Position,
    Related,
    Report,
    Result,
    Severity,
    Span,
    Tier,
)

if TYPE_CHECKING:
    from nnlint.auditing import audit

__version__ = "0.1.0"

__all__ = [
    "Applicability",
    "Edit",
    "Finding",
    "Fix",
    "NotRun",
    "Position",
    "Related",
    "Report",
    "Result",
    "Severity",
    "Span",
    "Tier",
    "__version__",
    "audit",
]


def __getattr__(name: str) -> Any:
    """`nnlint.audit` is imported when it is asked for: linting pays neither for it nor for torch."""
    if name == "audit":
        from nnlint.auditing import audit

        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
