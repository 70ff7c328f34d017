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
    from nnlint.auditing import audit, audit_training

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
    "audit_training",
]


def __getattr__(name: str) -> Any:
    """What audits is imported when it is asked for: linting pays neither for it nor for torch."""
    if name in ("audit", "audit_training"):
        from nnlint import auditing

        return getattr(auditing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
