"""Every step sees the first batch again."""

from __future__ import annotations

from nnlint.capture.intervention import Intervention


class SameBatch(Intervention):
    holds = True
