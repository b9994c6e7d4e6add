"""Spans: which days a measure reads for a period; expected days are counted on a calendar."""

from __future__ import annotations

from datetime import date

import pytest

from revgauge.catalogue.spans import (
    Days,
    During,
    MonthsOfClosing,
    Span,
    TrailingDays,
    TrailingMonths,
    UpToClosing,
    UpToOpening,
)
from revgauge.model.period import Calendar

CALENDAR = Calendar(date(2025, 3, 15))


@pytest.mark.parametrize(
    ("span", "period", "first", "last"),
    [
        (During(), "2025-02", date(2025, 2, 1), date(2025, 2, 28)),
        (During(), "2025-Q1", date(2025, 1, 1), date(2025, 3, 15)),
        (UpToClosing(), "2025-02", None, date(2025, 2, 28)),
        (UpToClosing(), "2025-03", None, date(2025, 3, 15)),
        (UpToOpening(), "2025-03", None, date(2025, 2, 28)),
        (UpToOpening(), "2025", None, date(2024, 12, 31)),
        (TrailingMonths(12), "2025-02", date(2024, 3, 1), date(2025, 2, 28)),
        (TrailingMonths(12), "2025-03", date(2024, 3, 16), date(2025, 3, 15)),
        (TrailingMonths(1), "2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        (TrailingDays(30), "2025-02", date(2025, 1, 30), date(2025, 2, 28)),
        (TrailingDays(1), "2025-03", date(2025, 3, 15), date(2025, 3, 15)),
        (MonthsOfClosing(), "2025-Q1", date(2025, 3, 1), date(2025, 3, 15)),
        (MonthsOfClosing(3), "2025-02", date(2024, 12, 1), date(2025, 2, 28)),
    ],
)
def test_the_days_of_a_span(span: Span, period: str, first: date | None, last: date) -> None:
    """Flows read the days that have passed, balances all up to a day, windows the days before the closing day."""
    assert span(CALENDAR.parse(period)) == Days(first, last)


def test_equal_spans_are_one() -> None:
    """Spans and days are values, so that leaves with the same span share one computation."""
    assert TrailingMonths(12) == TrailingMonths(12)
    assert len({During(), During(), UpToClosing()}) == 2
    assert len({Days(None, date(2025, 1, 1)), Days(None, date(2025, 1, 1))}) == 1
