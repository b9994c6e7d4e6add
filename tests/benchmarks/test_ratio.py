"""The build against the SQL by hand: a slower build is noticed when it is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.generate import generate
from benchmarks.ratio import BOUND, SCALE, Ratio, ratio


@pytest.mark.slow
def test_the_build_takes_no_longer_than_the_bound(tmp_path: Path) -> None:
    """In one run side by side, seconds of all cores, the median of the build stays within its bound of the SQL's."""
    store = tmp_path / "entities.duckdb"
    generate(SCALE, store)
    found = ratio(store)
    assert found.value <= BOUND, f"{found.value:.2f} times as long as the SQL by hand: {found}"


def test_one_run_that_was_disturbed_does_not_count() -> None:
    """The ratio is that of the medians: 6 / 2, though one run of each took far longer."""
    assert Ratio((6.0, 60.0, 5.0), (2.0, 1.0, 30.0)).value == 3.0
