"""The company's days: when its story begins, what day it is now, and arithmetic on days and instants."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from revgauge.demo.chance import Chance

FIRST_SALE = date(2021, 3, 1)
"""The first customers signed from this day on; their deals were never in the CRM."""
START = date(2023, 1, 1)
"""First day of the exports of CRM, help desk, finance and programme."""
NOW = date(2026, 1, 14)
"""The last day that counts (`as_of`): three full years and two weeks after START."""
TOMORROW = NOW + timedelta(days=1)


def add_months(day: date, months: int) -> date:
    """The same day number so many months on, cut to the length of the month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def months(start: date, end: date) -> Iterator[date]:
    """The first days of the months from the one of `start` up to, without, `end`."""
    day = start.replace(day=1)
    while day < end:
        yield day
        day = add_months(day, 1)


def quarters(start: date, end: date) -> Iterator[date]:
    """The first days of the calendar quarters from the one of `start` up to, without, `end`."""
    day = date(start.year, (start.month - 1) // 3 * 3 + 1, 1)
    while day < end:
        yield day
        day = add_months(day, 3)


def weekday_from(day: date) -> date:
    """The day itself, or the Monday after it on a weekend."""
    return day + timedelta(days=(0, 0, 0, 0, 0, 2, 1)[day.weekday()])


def at_work(day: date, chance: Chance) -> datetime:
    """A moment of that day between 13:00 and 22:00 UTC, which is one calendar day from New York to Berlin."""
    return datetime.combine(day, time(13)) + timedelta(seconds=chance.whole(0, 9 * 3600 - 1))


def on_working_day(moment: datetime) -> datetime:
    """The moment itself, or the same time on Monday when it falls on a weekend."""
    return moment + (weekday_from(moment.date()) - moment.date())


def past(moment: datetime) -> bool:
    """Whether the moment has come by the end of NOW."""
    return moment.date() <= NOW
