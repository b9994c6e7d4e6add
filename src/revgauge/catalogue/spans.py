"""Which days of its rows a measure reads for a period.

A span says it once for all periods, so that the planner can cut the rows of a whole catalogue at the ends of all spans
in one pass: a flow reads the days of the period, a balance all days up to one, a window the days before its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from revgauge.model.period import DAY, Period, add_months


class Days(NamedTuple):
    """The days from `first` (empty: from the beginning) to `last`, both included."""

    first: date | None
    last: date


class Span(Protocol):
    """For a period, the days that are read."""

    def __call__(self, period: Period) -> Days:
        """The days read for that period."""


@dataclass(frozen=True, slots=True)
class During:
    """The days of the period that have passed."""

    def __call__(self, period: Period) -> Days:
        """From the first day to the closing day."""
        return Days(period.start, period.closing)


@dataclass(frozen=True, slots=True)
class UpToClosing:
    """Everything up to and including the closing day: a balance."""

    def __call__(self, period: Period) -> Days:
        """From the beginning to the closing day."""
        return Days(None, period.closing)


@dataclass(frozen=True, slots=True)
class UpToOpening:
    """Everything up to and including the day before the period: an opening balance."""

    def __call__(self, period: Period) -> Days:
        """From the beginning to the opening day."""
        return Days(None, period.opening)


@dataclass(frozen=True, slots=True)
class TrailingMonths:
    """The whole months up to the closing day: a window that ends with the period."""

    months: int

    def __call__(self, period: Period) -> Days:
        """From the day that many months before the day after the closing day, to the closing day."""
        return Days(add_months(period.closing + DAY, -self.months), period.closing)


@dataclass(frozen=True, slots=True)
class TrailingDays:
    """That many days up to the closing day."""

    days: int

    def __call__(self, period: Period) -> Days:
        """From the day that many days before the day after the closing day, to the closing day."""
        return Days(period.closing + DAY - timedelta(days=self.days), period.closing)


@dataclass(frozen=True, slots=True)
class MonthsOfClosing:
    """The calendar month of the closing day and those before it, so many in all."""

    months: int = 1

    def __call__(self, period: Period) -> Days:
        """From the first of the first month to the closing day."""
        return Days(add_months(period.closing.replace(day=1), 1 - self.months), period.closing)


@dataclass(frozen=True, slots=True)
class MonthsEarlier:
    """The days of the period moved back by so many months, and then taken whole: what an effect follows with a lag."""

    months: int

    def __call__(self, period: Period) -> Days:
        """The days of the period that have passed; moved back, all of its days."""
        if self.months == 0:
            return Days(period.start, period.closing)
        first, after = add_months(period.start, -self.months), add_months(period.end, -self.months)
        return Days(first, min(after - DAY, period.now))


@dataclass(frozen=True, slots=True)
class YearOfClosing:
    """The calendar year of the closing day so far."""

    def __call__(self, period: Period) -> Days:
        """From 1 January to the closing day."""
        return Days(period.closing.replace(month=1, day=1), period.closing)


@dataclass(frozen=True, slots=True)
class OnClosing:
    """The closing day alone."""

    def __call__(self, period: Period) -> Days:
        """From the closing day to the closing day."""
        return Days(period.closing, period.closing)


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same days whatever the period, as far as they have passed."""

    first: date
    last: date

    def __call__(self, period: Period) -> Days:
        """From the first day to the last, or to `now`."""
        return Days(self.first, min(self.last, period.now))


@dataclass(frozen=True, slots=True)
class Earlier:
    """The days of the period moved back by months, and taken whole, also where the period is in progress."""

    months: int

    def __call__(self, period: Period) -> Days:
        """From the first day moved back to the day before the moved end, or to `now`."""
        if not self.months:
            return Days(period.start, period.closing)
        end = add_months(period.end, -self.months)
        return Days(add_months(period.start, -self.months), min(end - DAY, period.now))
