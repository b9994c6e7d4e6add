"""What a balance earns day by day, worked out from the changes of the balance alone.

A change of x on day t adds x to the balance of every day from t on. If U(d) is what a unit earned up to and including
day d, the change has earned x (U(d) - U(t - 1)) by then. So the changes are listed with x U(t - 1) beside x, and what
the balance earned from day a to day b is

    B(b) U(b) - B(a - 1) U(a - 1) - sum of x U(t - 1) over the changes from a to b,

with B for the balance: three sums over changes, whatever the number of days. A unit of a monthly balance earns 1 / n
on each of the n days of a month. That is no finite decimal, so it is counted in parts of a month, of which a month of
28, 29, 30 or 31 days has a whole number for each day; results are divided once, at the end.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from datetime import date
from decimal import Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY
from revgauge.catalogue.exact import PRECISION, ZERO
from revgauge.catalogue.measures import Pace
from revgauge.model.period import BEGINNING, DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context, Rates

PARTS: dict[Pace, int] = {"day": 1, "month": 28 * 29 * 15 * 31}
"""Into how many parts the balance is divided: 1 for what is earned each day, else parts of a month."""

UNIT: dict[Pace, str] = {"day": "decimal(20, 8)", "month": "decimal(24, 8)"}
"""Wide enough for what a unit earned in a century; no wider, since Spark keeps 38 digits of a product."""

EARNED = "earned_before"
"""The column with what a change of the balance would have earned before its day: x U(t - 1)."""
UNRATED = "unrated_before"
"""The same with days without an exchange rate in place of what is earned."""


@cache
def elapsed(day: date, pace: Pace) -> int:
    """Parts that have passed up to and including the day, from a beginning long ago."""
    if pace == "day":
        return (day - BEGINNING).days
    months = (day.year - BEGINNING.year) * 12 + day.month
    return months * PARTS[pace] + day.day * (PARTS[pace] // monthrange(day.year, day.month)[1])


class Earnings:
    """What a unit of each currency earned up to a day, in the reporting currency, and the days without a rate."""

    def __init__(self, rates: Rates, pace: Pace) -> None:
        """Earn at the rates of each day."""
        self.rates = rates
        self.pace = pace
        self._sums: dict[str, tuple[list[date], list[Decimal], list[Decimal]]] = {}

    def earned(self, currency: str, day: date) -> Decimal:
        """Parts that a unit earned up to and including the day, each at its day's rate; days without one add nothing.

        The reporting currency starts long ago, others on the day of their first quote.
        """
        if currency == self.rates.reporting_currency:
            return Decimal(elapsed(day, self.pace))
        days, rates, before = self._quoted(currency)
        place = bisect_right(days, day) - 1
        if place < 0:
            return ZERO
        with localcontext(prec=PRECISION):
            return before[place] + rates[place] * (elapsed(day, self.pace) - elapsed(days[place] - DAY, self.pace))

    def unrated(self, currency: str, day: date) -> int:
        """Days without a rate, up to and including the day."""
        if currency == self.rates.reporting_currency:
            return 0
        days = self._quoted(currency)[0]
        return elapsed(min(day, days[0] - DAY) if days else day, "day")

    def _quoted(self, currency: str) -> tuple[list[date], list[Decimal], list[Decimal]]:
        """The days of the quotes, their rates, and what was earned before each."""
        if currency not in self._sums:
            quotes = self.rates.quotes(currency)
            days, rates = [day for day, _ in quotes], [rate for _, rate in quotes]
            before = [ZERO]
            with localcontext(prec=PRECISION):
                for place, rate in enumerate(rates[:-1]):
                    parts = elapsed(days[place + 1] - DAY, self.pace) - elapsed(days[place] - DAY, self.pace)
                    before.append(before[-1] + rate * parts)
            self._sums[currency] = days, rates, before
        return self._sums[currency]


def with_earnings(changes: ir.Table, context: Context, pace: Pace) -> ir.Table:
    """Changes of balances (`amount` of `currency` on `day`) with the columns that an accrual adds up beside them."""
    earnings = Earnings(context.rates, pace)
    found = context.warehouse.pairs(changes.select("currency", "day").distinct())
    columns = {"of_currency": "string", "of_day": "date", "unit": UNIT[pace], "idle": UNIT["day"]}
    rows = [
        (currency, day, earnings.earned(currency, day - DAY), Decimal(earnings.unrated(currency, day - DAY)))
        for currency, day in found
    ]
    known = context.warehouse.literal_table(columns, rows)
    joined = changes.inner_join(known, [changes.currency == known.of_currency, changes.day == known.of_day])

    def times_amount(column: Any) -> Any:
        return (_.amount * column).cast(MONEY)

    return joined.mutate(
        **{EARNED: times_amount(_.unit), UNRATED: ibis.ifelse(_.idle == 0, ZERO, times_amount(_.idle)).cast(MONEY)}
    ).drop("of_currency", "of_day", "unit", "idle")
