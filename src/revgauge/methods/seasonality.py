"""Seasonality: how a month of the year usually grows, against how all months do."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

YEAR = 12
"""Months of a year, and the fewest ratios from which anything can be said of a season."""


def growth_ratios(values: Sequence[Decimal]) -> list[Decimal]:
    """Each month's value over that of the month before, the last month first, back to where a month opens at zero."""
    ratios: list[Decimal] = []
    for place in range(len(values) - 1, 0, -1):
        if values[place - 1] <= 0:
            break
        ratios.append(values[place] / values[place - 1])
    return ratios


def seasonal_factor(values: Sequence[Decimal]) -> Decimal | None:
    """How the month after the last usually grows, over how all months do.

    The mean ratio of the same month in earlier years over the mean of all ratios. None with less than a year of ratios,
    or if they all are zero.
    """
    ratios = growth_ratios(values)
    # The last month is one before the one in question, so that one a year ago is the twelfth from the end.
    same = ratios[YEAR - 1 :: YEAR]
    if len(ratios) < YEAR or not same:
        return None
    mean = sum(ratios) / Decimal(len(ratios))
    return None if mean <= 0 else sum(same) / Decimal(len(same)) / mean
