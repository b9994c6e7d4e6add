"""Survival curves against those of another package."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from revgauge.methods.survival import kaplan_meier, survival_curve, whole_months


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_that_of_lifelines(seed: int) -> None:
    """Drawn tenures, ended and running, with counts: the estimate of the package lifelines at every age."""
    import lifelines  # takes seconds, and nothing else here asks for it

    dice = np.random.default_rng(seed)
    tenures, counts = dice.integers(0, 30, 40), dice.integers(1, 4, 40)
    ended = dice.random(40) < 0.6
    theirs = lifelines.KaplanMeierFitter().fit(tenures, ended, weights=counts)
    ages = range(int(tenures.max()) + 1)
    expected = [float(number) for number in theirs.survival_function_at_times(ages)]
    assert [float(number) for number in kaplan_meier(tenures, ended, counts)] == pytest.approx(expected)


def test_who_is_running_at_an_age_is_at_risk_there() -> None:
    """One leaves at 2 months while another is just 2 months old: S(2) = 1 - 1 / 2, not 0."""
    curve = kaplan_meier(np.array([2, 2]), np.array([True, False]), np.array([1, 1]))
    assert curve == [Decimal(1), Decimal(1), Decimal("0.5")]


def test_a_departure_after_the_closing_day_has_not_happened() -> None:
    """Seen on 31 March, who leaves on 15 April is still there, with a tenure up to 1 April: three whole months."""
    first, left = [date(2025, 1, 1)], [date(2025, 4, 15)]
    assert survival_curve(date(2025, 3, 31), first, left, [1]) == [Decimal(1)] * 4
    assert survival_curve(date(2025, 4, 30), first, left, [1])[-1] == 0


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2025-01-15", "2025-03-10", 1),
        ("2025-01-15", "2025-03-15", 2),
        ("2024-01-31", "2024-02-29", 0),  # the 31st is not reached in February
        ("2024-01-31", "2024-03-01", 1),
        ("2024-05-01", "2025-05-01", 12),
        ("2024-05-05", "2024-05-05", 0),
    ],
)
def test_a_month_is_whole_when_the_day_number_is_reached(start: str, end: str, months: int) -> None:
    """Whole months of a tenure, of many at once (rule R21 of the standard)."""
    starts, ends = (np.array([day], dtype="datetime64[D]") for day in (start, end))
    assert whole_months(starts, ends).tolist() == [months]
