"""Outliers by the Hampel identifier: values too far from the median, measured in median absolute deviations."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

REACH = 3 * Decimal("1.4826")
"""How many median absolute deviations are too far: three standard deviations of a normal distribution."""

FEWEST = 3
"""Below this many values none can be told from the others."""


def median(values: Sequence[Decimal]) -> Decimal:
    """The middle value, or the mean of the two in the middle; ValueError if there is none."""
    if not values:
        raise ValueError("there is no median of nothing")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def without_outliers(values: Sequence[Decimal]) -> list[Decimal]:
    """The values within reach of the median, in their order; all of them if they are few or most are the same."""
    if len(values) < FEWEST:
        return list(values)
    centre = median(values)
    deviation = median([abs(value - centre) for value in values])
    if deviation == 0:
        return list(values)
    return [value for value in values if abs(value - centre) <= REACH * deviation]
