"""Periods: days, weeks, months, quarters, years and all time, half-open and in the reporting time zone.

A period is `[start, end)` in calendar days. `now` is the last day that counts: a period that starts after it has no
value, one that contains it is read up to and including it and is marked as partial ("to date"). The closing day is the
last day of the period, or `now` if that comes first; the opening day is the day before the period.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

Grain = Literal["day", "week", "month", "quarter", "year", "all"]
GRAINS: tuple[Grain, ...] = get_args(Grain)

DAY = timedelta(days=1)
BEGINNING = date(1900, 1, 1)
"""The first day of all time."""

_MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "year": 12}
_SPELLINGS: tuple[tuple[Grain, re.Pattern[str]], ...] = (
    ("day", re.compile(r"(\d{4})-(\d{2})-(\d{2})")),
    ("week", re.compile(r"(\d{4})-W(\d{2})")),
    ("month", re.compile(r"(\d{4})-(\d{2})")),
    ("quarter", re.compile(r"(\d{4})-Q([1-4])")),
    ("year", re.compile(r"(\d{4})")),
)


class PeriodError(ValueError):
    """A period was written in a way that names none."""


def add_months(day: date, months: int) -> date:
    """The same day number that many months on (or back), cut to the length of the month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = 31 if month == 11 else (date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - DAY).day
    return date(year, month + 1, min(day.day, last))


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of days as seen on the day `now`."""

    start: date
    end: date
    grain: Grain
    label: str
    now: date

    @property
    def begun(self) -> bool:
        """Whether the period has started by `now`; if not, it has no value."""
        return self.start <= self.now

    @property
    def complete(self) -> bool:
        """Whether its last day is on or before `now`."""
        return self.end - DAY <= self.now

    @property
    def partial(self) -> bool:
        """Whether it has started and is not over: its values are "to date"."""
        return self.begun and not self.complete

    @property
    def closing(self) -> date:
        """The day on which stocks are read: the last day, or `now` if the period is not over."""
        return min(self.end - DAY, self.now)

    @property
    def opening(self) -> date:
        """The day before the period."""
        return self.start - DAY

    @property
    def days(self) -> int:
        """Days of the period that have passed by `now`, both ends included."""
        return (self.closing - self.start).days + 1


_BEFORE_ALL = Period(date.min, BEGINNING, "all", "before all", BEGINNING - DAY)


@dataclass(frozen=True, slots=True)
class Calendar:
    """How the company counts time: the day `now` and the month in which its year begins.

    A year that does not begin in January is named after the calendar year in which it ends.
    """

    now: date
    first_month: int = 1

    def containing(self, day: date, grain: Grain) -> Period:
        """The period of that grain in which the day falls."""
        match grain:
            case "all":
                return Period(BEGINNING, self.now + DAY, "all", "all", self.now)
            case "day":
                return Period(day, day + DAY, "day", day.isoformat(), self.now)
            case "week":
                start = day - timedelta(days=day.weekday())
                year, week, _ = start.isocalendar()
                return Period(start, start + timedelta(days=7), "week", f"{year}-W{week:02}", self.now)
        length = _MONTHS[grain]
        offset = (day.month - self.first_month) % 12 if grain != "month" else 0
        start = add_months(day.replace(day=1), -(offset % length))
        return Period(start, add_months(start, length), grain, self._label(start, grain), self.now)

    def _label(self, start: date, grain: Grain) -> str:
        if grain == "month":
            return f"{start:%Y-%m}"
        year = start.year + (1 if self.first_month > 1 and start.month >= self.first_month else 0)
        if grain == "year":
            return f"{year}"
        return f"{year}-Q{(start.month - self.first_month) % 12 // 3 + 1}"

    def _fiscal_start(self, year: int) -> date:
        return date(year - (1 if self.first_month > 1 else 0), self.first_month, 1)

    def spanning(self, start: date, end: date) -> Period:
        """The period from a day to the day before `end`: that of the calendar if there is one, else one of its own."""
        for grain in ("month", "quarter", "year", "week", "day"):
            period = self.containing(start, grain)
            if (period.start, period.end) == (start, end):
                return period
        return Period(start, end, "day", f"{start} to {end - DAY}", self.now)

    def parse(self, text: str | None, grain: Grain | None = None) -> Period:
        """The period of that name: 2025-03-01, 2025-W10, 2025-03, 2025-Q1, 2025 or all.

        Raises PeriodError if the text names none, or one of another grain than asked for.
        """
        if text is None or text == "all":
            if grain not in (None, "all"):
                raise PeriodError(f"a {grain} is needed, for example {self.example(grain)}")
            return self.containing(self.now, "all")
        for kind, pattern in _SPELLINGS:
            if found := pattern.fullmatch(text.strip()):
                if grain is not None and kind != grain:
                    raise PeriodError(f"{text} is a {kind}, not a {grain} (write {self.example(grain)})")
                try:
                    return self._from_numbers(kind, [int(part) for part in found.groups()])
                except ValueError as problem:
                    raise PeriodError(f"{text} names no {kind}: {problem}") from None
        raise PeriodError(f"{text} names no period; write 2025-03-31, 2025-W10, 2025-03, 2025-Q1, 2025 or all")

    def _from_numbers(self, grain: Grain, numbers: list[int]) -> Period:
        match grain:
            case "day":
                return self.containing(date(*numbers), "day")
            case "week":
                return self.containing(date.fromisocalendar(numbers[0], numbers[1], 1), "week")
            case "month":
                return self.containing(date(numbers[0], numbers[1], 1), "month")
            case "quarter":
                start = add_months(self._fiscal_start(numbers[0]), 3 * (numbers[1] - 1))
                return self.containing(start, "quarter")
            case _:
                return self.containing(self._fiscal_start(numbers[0]), "year")

    def example(self, grain: Grain) -> str:
        """How a period of that grain is written: the one that contains `now`."""
        return self.containing(self.now, grain).label

    def shift(self, period: Period, by: int) -> Period:
        """The period of the same grain that many steps later (earlier if negative); nothing is before all time."""
        if period.grain == "all":
            return _BEFORE_ALL if by < 0 else period
        for _ in range(abs(by)):
            period = self.containing(period.end if by > 0 else period.start - DAY, period.grain)
        return period

    def year_before(self, period: Period) -> Period:
        """The same period a year earlier; for weeks the one 52 weeks before; nothing is before all time."""
        if period.grain == "all":
            return _BEFORE_ALL
        if period.grain == "week":
            return self.containing(period.start - timedelta(weeks=52), "week")
        return self.containing(add_months(period.start, -12), period.grain)

    def spine(self, first: date, last: date, grain: Grain) -> tuple[Period, ...]:
        """Every period of the grain from the one with the first day to the one with the last, in order."""
        return tuple(self._walk(first, last, grain))

    def _walk(self, first: date, last: date, grain: Grain) -> Iterator[Period]:
        period = self.containing(first, grain)
        while period.start <= last:
            yield period
            if grain == "all":
                return
            period = self.containing(period.end, grain)
