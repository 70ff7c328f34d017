"""Settings of the test run itself."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: how fast the machine is today is no property of the code.
settings.register_profile("nnlint", deadline=None, max_examples=50)
settings.load_profile("nnlint")

# A test looks at what the code does today, and writes nothing into anybody's home; those about the cache ask
# for one.
os.environ["NNLINT_NO_CACHE"] = "1"
