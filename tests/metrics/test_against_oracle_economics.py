"""Unit economics, growth, market and people against the reference calculation, on drawn worlds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.metrics.oracle_check import differences
from tests.oracle.generate_economics import ECONOMICS_PARAMS, GROWTH_PARAMS, economics_questions, economics_world

FAMILIES = {"growth": GROWTH_PARAMS, "economics": ECONOMICS_PARAMS}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [5, 8, 500, 501, 502, 503])
def test_the_family_agrees_with_the_reference(seed: int, family: str, tmp_path: Path) -> None:
    """Every metric of the family equals the slow reference calculation, in drawn worlds, variants, periods and cuts."""
    asked = economics_questions(seed, FAMILIES[family], count=40)
    found = list(differences(economics_world(seed), asked, seed, tmp_path))
    assert {question.metric for question in asked} == set(FAMILIES[family])
    assert not found, "\n".join(found)
