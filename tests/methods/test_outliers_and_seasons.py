"""Outliers and seasons on numbers that a person can check."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revgauge.methods.outliers import median, without_outliers
from revgauge.methods.seasonality import growth_ratios, seasonal_factor

AMOUNTS = st.lists(st.decimals(-1000, 1000, places=2), max_size=12)


def decimals(*numbers: float) -> list[Decimal]:
    """Exact numbers."""
    return [Decimal(str(number)) for number in numbers]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        # median 105, deviations 5, 5, 15, 0, 895: their median 5, and 3 x 1.4826 x 5 = 22.2 lets only 1000 go
        (decimals(100, 110, 90, 105, 1000), decimals(100, 110, 90, 105)),
        # median 3, deviations 2, 1, 0, 1, 1: median 1, limit 4.4478: 7.4 stays and 7.5 goes
        (decimals(1, 2, 3, 4, 7.4), decimals(1, 2, 3, 4, 7.4)),
        (decimals(1, 2, 3, 4, 7.5), decimals(1, 2, 3, 4)),
        (decimals(1, 1000), decimals(1, 1000)),  # two values are too few
        (decimals(5, 5, 5, 1000), decimals(5, 5, 5, 1000)),  # most are the same: no deviation to measure by
        ([], []),
    ],
)
def test_values_too_far_from_the_median_are_dropped(values: list[Decimal], kept: list[Decimal]) -> None:
    """What lies beyond 3 x 1.4826 median absolute deviations goes, but not where there is no measure of deviation."""
    assert without_outliers(values) == kept


@given(AMOUNTS, st.integers(0, 5), st.decimals(1, 9, places=1))
def test_outliers_do_not_depend_on_order_or_scale(values: list[Decimal], turn: int, scale: Decimal) -> None:
    """The same values go whatever their order and their currency, and more than half always stay."""
    kept = without_outliers(values)
    turned = values[turn:] + values[:turn]
    assert sorted(without_outliers(turned)) == sorted(kept)
    assert [value * scale for value in kept] == without_outliers([value * scale for value in values])
    assert 2 * len(kept) >= len(values)


def test_the_median_of_nothing_is_refused() -> None:
    """The median of an even number of values is between the two in the middle; of none there is none."""
    assert median(decimals(4, 1, 3, 2)) == Decimal("2.5")
    with pytest.raises(ValueError, match="no median"):
        median([])


def test_ratios_go_back_to_a_month_that_opens_at_zero() -> None:
    """100, 0, 50, 100, 150: back from the last there are 150/100 and 100/50; the month before opened at 0."""
    assert growth_ratios(decimals(100, 0, 50, 100, 150)) == [Decimal("1.5"), Decimal(2)]


def test_a_season_needs_a_year_of_ratios() -> None:
    """With 12 months there are 11 ratios, so nothing is said; with 13 there is one of the month in question.

    That one is the oldest, 2, and the mean of all is (2 + 11 x 1) / 12, so the factor is 24 / 13.
    """
    assert seasonal_factor(decimals(*[100] * 12)) is None
    factor = seasonal_factor(decimals(50, *[100] * 12))
    assert factor is not None
    assert round(factor, 20) == round(Decimal(24) / 13, 20)


def test_a_season_is_the_mean_of_the_same_month_in_all_years() -> None:
    """Of 24 ratios the twelfth from the end and the last are of the month in question: 2 and 3.

    Values: 1, 3, then 11 times 3 (ratio 1), 6 (ratio 2), then 11 times 6. The mean of all is (3 + 2 + 22) / 24.
    """
    factor = seasonal_factor(decimals(1, *[3] * 12, *[6] * 12))
    assert factor is not None
    assert round(factor, 20) == round(Decimal("2.5") / (Decimal(27) / 24), 20)
