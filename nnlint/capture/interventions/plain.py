"""Every step sees the first batch again, with dropout and weight decay off."""

from __future__ import annotations

from nnlint.capture.unregularised import Unregularised


class Plain(Unregularised):
    holds = True
