"""Days sales outstanding by counting back: how many days of billing cover what is owed."""

from __future__ import annotations

from decimal import Decimal


def counted_back(owed: Decimal, *months: Decimal) -> Decimal | None:
    """The days for which billing must be counted back until it covers what is owed.

    `months` has three numbers for each month, the latest first: billed, bills without a rate, days. The last month
    counts in proportion; where all of them do not cover it the answer is the days of all. None if nothing was billed in
    any, or if a month that is needed has a bill without a rate.
    """
    if max(months[::3]) <= 0:
        return None
    covered, days = Decimal(0), Decimal(0)
    for billed, unconverted, length in zip(months[::3], months[1::3], months[2::3], strict=True):
        if owed <= 0:
            break
        if unconverted:
            return None
        if covered + billed >= owed:
            return days + length * (owed - covered) / billed
        covered, days = covered + billed, days + length
    return days
