"""nnlint finds the bugs that let a PyTorch script run, lower its loss, and still be wrong."""

from nnlint.finding import (
    Applicability,
    Edit,
    Finding,
    Fix,
    NotRun,
    Position,
    Related,
    Report,
    Severity,
    Span,
    Tier,
)

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
    "Severity",
    "Span",
    "Tier",
    "__version__",
]
