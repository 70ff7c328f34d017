"""Settings of the test run itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from warm import AFRESH, Warm

from nnlint.capture import supervise

# No deadline: how fast the machine is today is no property of the code.
settings.register_profile("nnlint", deadline=None, max_examples=50)
settings.load_profile("nnlint")

# A test looks at what the code does today, and writes nothing into anybody's home; those about the cache ask
# for one.
os.environ["NNLINT_NO_CACHE"] = "1"
# Tests run side by side already; threads that wait for each other would only take from the other tests.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side the long ones come first, so that none is waited for in the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[Warm]:
    """Scripts that are run from within this process begin with torch imported: as forks of this one."""
    with pytest.MonkeyPatch.context() as patch:
        process = Warm()
        if sys.platform == "linux":
            patch.setattr(supervise, "_launched", process.launched)
        yield process
        process.close()


@pytest.fixture(autouse=True)
def _afresh(request: pytest.FixtureRequest) -> None:
    """A test with this mark starts a script's process as a user does, with as many threads."""
    if request.node.get_closest_marker("afresh"):
        patch = request.getfixturevalue("monkeypatch")
        patch.setattr(supervise, "_launched", AFRESH)
        patch.delenv("OMP_NUM_THREADS")
