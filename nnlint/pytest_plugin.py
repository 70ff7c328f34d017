"""A fixture for pytest: `def test_it_trains(nnlint_audit): nnlint_audit(model, loss_fn, batch)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nnlint.finding import Report


@pytest.fixture
def nnlint_audit() -> Callable[..., Report]:
    """`nnlint.audit`, failing the test where it finds an error or could not look; returns the report."""

    def check(*args: Any, **kwargs: Any) -> Report:
        import nnlint
        from nnlint.reporters import reporter

        report = nnlint.audit(*args, **kwargs)
        render = reporter("text")
        if render is not None and (report.errors or report.not_run):
            pytest.fail(render(report, color=False), pytrace=False)
        return report

    return check
