"""Settings of the test run itself."""

from __future__ import annotations

from hypothesis import settings

# No deadline: how fast the machine is today is no property of the code.
settings.register_profile("nnlint", deadline=None, max_examples=50)
settings.load_profile("nnlint")
