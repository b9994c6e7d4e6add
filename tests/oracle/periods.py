"""Days, months and instants: the calendar of the reporting time zone."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
BEGINNING = date(1900, 1, 1)
"""Where the period `all` starts: before any row."""
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def add_months(day: date, months: int) -> date:
    """The same day number that many months on, cut to the length of the month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def whole_months(start: date, end: date) -> int:
    """Months that have been completed between two days."""
    months = 12 * (end.year - start.year) + end.month - start.month
    return months - 1 if end.day < start.day else months


def term_months(start: date, end: date) -> Fraction:
    """The term of a contract in months; a day is a thirtieth."""
    return Fraction(12 * (end.year - start.year) + end.month - start.month) + Fraction(end.day - start.day, 30)


@dataclass(frozen=True)
class Period:
    """Calendar days from `start` up to the day before `end`."""

    grain: str
    start: date
    end: date

    @classmethod
    def parse(cls, grain: str, text: str | None, now: date) -> Period:
        """`2025-03`, `2025-Q1`, `2025`, or nothing with the grain `all`."""
        if grain == "all" or text is None:
            return cls("all", BEGINNING, now + DAY)
        return cls.named(text)

    @classmethod
    def named(cls, text: str) -> Period:
        """The month, quarter or year of that name; the name shows its grain."""
        year, _, rest = text.partition("-")
        if not rest:
            return cls("year", date(int(year), 1, 1), date(int(year) + 1, 1, 1))
        if rest.startswith("Q"):
            start = date(int(year), 3 * int(rest[1:]) - 2, 1)
            return cls("quarter", start, add_months(start, 3))
        start = date(int(year), int(rest), 1)
        return cls("month", start, add_months(start, 1))

    def shifted(self, steps: int) -> Period:
        """The period that many of its own grain later (earlier, if negative)."""
        months = MONTHS[self.grain]
        return Period(self.grain, add_months(self.start, months * steps), add_months(self.end, months * steps))

    def a_year_before(self) -> Period:
        """The same month, quarter or year of the year before."""
        return Period(self.grain, add_months(self.start, -12), add_months(self.end, -12))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins in the reporting zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The reporting day on which an instant falls."""
    return instant.astimezone(zone).date()


def days_later(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same wall-clock time that many calendar days on."""
    wall = instant.astimezone(zone).replace(tzinfo=None) + days * DAY
    return wall.replace(tzinfo=zone).astimezone(UTC)


def elapsed_days(start: datetime, end: datetime) -> Fraction:
    """Elapsed time in days, with fractions; negative where the end comes first."""
    span = end - start
    return Fraction(span // timedelta(microseconds=1), 86_400_000_000)
