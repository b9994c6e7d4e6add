"""The metrics of recurring revenue, movements and retention against the reference calculation, on drawn worlds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.metrics.oracle_check import differences
from tests.oracle.generate import SUBSCRIPTION_PARAMS, questions, subscription_world


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 7, 11])
def test_recurring_revenue_agrees_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Every second metric of recurring revenue equals the slow reference calculation in a drawn world and slice."""
    asked = questions(seed, SUBSCRIPTION_PARAMS, count=25)
    found = list(differences(subscription_world(seed), asked, seed, tmp_path))
    assert len(asked) == 25
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300, 308))
def test_all_variants_of_recurring_revenue_agree_with_the_reference(seed: int, tmp_path: Path) -> None:
    """So do all of them with their parameters, periods and slices, in many more worlds."""
    asked = questions(seed, SUBSCRIPTION_PARAMS, count=40)
    found = list(differences(subscription_world(seed), asked, seed, tmp_path))
    assert {question.metric for question in asked} == set(SUBSCRIPTION_PARAMS)
    assert not found, "\n".join(found)
