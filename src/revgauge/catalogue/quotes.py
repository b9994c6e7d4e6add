"""Exchange rates that are missing or old: which currencies are in use, and how far their quotes reach.

An amount is converted at the last quote on or before its day, however old that is. So an old quote is never an error,
and for that reason it has to be told: a company that stops loading rates would see no sign of it in its figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ibis import _

from revgauge.model.entities import ENTITIES
from revgauge.model.period import DAY

if TYPE_CHECKING:
    from revgauge.catalogue.context import Context

OLDEST = 7
"""Days after which a quote is old."""


@dataclass(frozen=True)
class QuoteGap:
    """A currency that is in use and lacks quotes."""

    currency: str
    rows: int
    """Rows in that currency."""
    first: date | None = None
    """The day of the first quote; none if there is no quote at all."""
    old_days: int = 0
    """Days since the first quote on which the last one was old."""
    worst: tuple[date, date] | None = None
    """The longest stretch without a quote: the day of the quote that held, and the last day on which it did."""

    def sentence(self) -> str:
        """What is missing, and what it does to the figures."""
        if self.first is None or self.worst is None:
            count = f"{self.rows:,} row{' is' if self.rows == 1 else 's are'}"
            return f"{self.currency} has no quote: {count} in it, and figures that need it have no value"
        quoted, last = self.worst
        return (
            f"{self.currency} is converted at a quote more than {OLDEST} days old on {self.old_days:,} days since "
            f"{self.first}; at worst that of {quoted} held for {(last - quoted).days} days, to {last}"
        )


def quote_gaps(context: Context) -> list[QuoteGap]:
    """Every currency in use, other than the reporting one, that has no quote or old ones on the day `now`."""
    found = []
    for currency, rows in sorted(_in_use(context).items()):
        if currency == context.reporting_currency:
            continue
        days = [day for day, _rate in context.rates.quotes(currency)]
        if not days:
            found.append(QuoteGap(currency, rows))
            continue
        held = [
            (day, (days[place + 1] - DAY) if place + 1 < len(days) else context.now) for place, day in enumerate(days)
        ]
        old = sum(max((last - day).days - OLDEST, 0) for day, last in held)
        if old:
            found.append(QuoteGap(currency, rows, days[0], old, max(held, key=lambda stretch: stretch[1] - stretch[0])))
    return found


def _in_use(context: Context) -> dict[str, int]:
    """The number of rows in each currency, over all entities that were loaded."""
    warehouse = context.warehouse
    counted: dict[str, int] = {}
    for name, entity in ENTITIES.items():
        if name == "exchange_rates" or "currency" not in entity.field_names or not warehouse.loaded(name):
            continue
        table = warehouse.entity(name)
        for currency, rows in warehouse.pairs(table.filter(_.currency.notnull()).group_by("currency").agg(n=_.count())):
            counted[currency] = counted.get(currency, 0) + int(rows)
    return counted
