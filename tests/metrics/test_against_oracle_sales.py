"""The funnel and sales metrics against the reference calculation, on drawn worlds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.metrics.oracle_check import differences
from tests.oracle.generate import SALES_PARAMS, questions, sales_world


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5])
def test_funnel_and_sales_agree_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Every funnel and sales metric equals the slow reference calculation in a drawn world, period and slice."""
    found = list(differences(sales_world(seed), questions(seed, SALES_PARAMS, 26), seed, tmp_path))
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 108))
def test_all_variants_of_funnel_and_sales_agree_with_the_reference(seed: int, tmp_path: Path) -> None:
    """So do their parameters, in many more worlds."""
    found = list(differences(sales_world(seed), questions(seed, SALES_PARAMS, 90), seed, tmp_path))
    assert not found, "\n".join(found)
