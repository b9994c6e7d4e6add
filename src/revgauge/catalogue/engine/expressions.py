"""Expressions that mean the same in every database: money, time and flags.

What differs between databases, or goes wrong quietly in one of them, is met once: here, where definitions write it, and
in `meaning`, where it is turned into what one database needs.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import ibis
import ibis.expr.datatypes as dt

MONEY = dt.Decimal(38, 14)
"""The type of converted amounts and of sums of money: six places of the amount and eight of the rate."""
MONEY_PLACES = 6
"""Places of an amount as it is stated."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp()), dt.Timestamp(timezone="UTC")))  # type: ignore[untyped-decorator]  # Ibis has no types there
def as_zone(zone: str, moment: Any) -> Any:
    """The instant that a wall clock in the zone shows."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp(timezone="UTC")), dt.Timestamp()))  # type: ignore[untyped-decorator]  # Ibis has no types there
def in_zone(zone: str, moment: Any) -> Any:
    """What a wall clock in the zone shows at the instant."""


def wall_clock(moment: Any, zone: str) -> Any:
    """The wall-clock time of a UTC instant in the zone."""
    return moment if zone == "UTC" else in_zone(zone, as_zone("UTC", moment))


def local_day(moment: Any, zone: str) -> Any:
    """The calendar day in the zone on which a UTC instant falls."""
    return wall_clock(moment, zone).cast("date")


def instant_of(wall: Any, zone: str) -> Any:
    """The UTC instant at which a wall clock in the zone shows that time."""
    return wall if zone == "UTC" else in_zone("UTC", as_zone(zone, wall))


def times(amount: Any, rate: Any, *, places: Literal[6, 8] = 6) -> Any:
    """An amount of so many places converted by a rate, exactly: a product of decimals has the places of both.

    One of the two is widened first, since DuckDB keeps the product of two decimals of 18 digits in 18; by no more,
    since Spark drops places when the digits of both together pass 38. With six places the product has those of money by
    itself: taking places off so wide a number costs DuckDB many times what the product does.
    """
    if places == MONEY_PLACES:
        return (amount.cast("decimal(18, 6)") * rate.cast("decimal(19, 8)")).cast(MONEY)
    return (amount.cast("decimal(20, 8)") * rate.cast("decimal(18, 8)")).cast(MONEY)


def as_money(number: Any) -> Any:
    """A number in the type of converted amounts."""
    return number.cast(MONEY)


def seconds_between(start: Any, end: Any) -> Any:
    """Elapsed seconds from one instant to another, whole."""
    # The start comes first, since a literal cannot have a column that is not resolved yet taken from it.
    return -start.epoch_seconds().cast("int64") + end.epoch_seconds().cast("int64")


def days_between(start: Any, end: Any) -> Any:
    """Elapsed days from one instant to another, with fractions."""
    return seconds_between(start, end).cast("float64") / 86400.0


def flag(condition: Any) -> Any:
    """1 where the condition holds, else 0 (also where it is not known)."""
    return ibis.ifelse(condition.fill_null(False), 1, 0).cast("int64")


def day_literal(day: date) -> Any:
    """A calendar day as a literal."""
    return ibis.literal(day.isoformat()).cast("date")


def to_decimal(value: Any) -> Decimal:
    """A number that came from the database as an exact decimal."""
    return value if isinstance(value, Decimal) else Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
