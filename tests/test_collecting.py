"""The collector rests while many objects are made, and works again afterwards."""

from __future__ import annotations

import gc

import pytest

from nnlint.collecting import uncollected


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_rests_and_is_left_as_it_was(collecting: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with uncollected():
            assert not gc.isenabled()
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()
