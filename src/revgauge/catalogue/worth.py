"""What amounts in many currencies come to in the reporting currency: on a day, day by day, or by changed rates alone.

Sums are kept by currency, so that one reading of the rows serves any day whose rates are to convert them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from revgauge.catalogue.accruals import PARTS, Earnings
from revgauge.catalogue.buckets import Places, Summand, Sums
from revgauge.catalogue.context import Rates
from revgauge.catalogue.exact import PRECISION, ZERO, Exact, Numbers
from revgauge.catalogue.measures import Pace
from revgauge.catalogue.spans import Days
from revgauge.model.period import DAY, Period

Gaps = npt.NDArray[Any]
"""Where an amount has no exchange rate: not zero."""


@dataclass(frozen=True)
class Worth:
    """Sums by currency, some columns of their grid, and the rates that convert them."""

    rates: Rates
    sums: Sums
    within: Places

    def on_days(self, summand: Summand, spans: Sequence[Days], dates: Sequence[date]) -> tuple[Exact, Gaps]:
        """For each span amounts of all currencies at the rates of its day, and which of them have none."""
        worth, gaps = self._nothing(len(spans)), self._no_gaps(len(spans))
        rates = {currency: [self.rates.on(currency, day) for day in dates] for currency in self.sums.currencies}
        # Read together, rates have the same places, and so have the products.
        factors = Exact.of([rate or ZERO for listed in rates.values() for rate in listed])
        for place, (currency, listed) in enumerate(rates.items()):
            amounts = self._over(summand, spans, currency)
            worth += amounts * factors[place * len(dates) : (place + 1) * len(dates), np.newaxis]
            unknown = np.array([rate is None for rate in listed])
            gaps |= unknown[:, np.newaxis] & (amounts.units != 0)
        return worth, gaps

    def day_by_day(
        self, pace: Pace, spans: Sequence[Days], columns: tuple[Summand, Summand, Summand]
    ) -> tuple[Exact | Numbers, Gaps]:
        """What balances earned over each span, and where any of it was in a currency without a rate.

        The columns are the changes of the balance, and these with what they would have earned and not been converted
        before their day.
        """
        changes, earned, unrated = columns
        earnings = Earnings(self.rates, pace)
        befores = [max(days.first or date.min, date.min + DAY) - DAY for days in spans]
        worth, gaps = self._nothing(len(spans)), self._no_gaps(len(spans))
        for currency in self.sums.currencies:
            opened = self._over(changes, [Days(None, day) for day in befores], currency)
            closed = self._over(changes, [Days(None, days.last) for days in spans], currency)
            grown: list[Exact] = []
            for unit, column in ((earnings.earned, earned), (earnings.unrated, unrated)):
                late = Exact.of([Decimal(unit(currency, days.last)) for days in spans])[:, np.newaxis]
                early = Exact.of([Decimal(unit(currency, day)) for day in befores])[:, np.newaxis]
                grown.append(closed * late - opened * early - self._over(column, spans, currency))
            worth += grown[0]
            gaps |= grown[1].units != 0
        if PARTS[pace] == 1:
            return worth, gaps
        with localcontext(prec=PRECISION):
            return worth.decimals() / Decimal(PARTS[pace]), gaps

    def by_changed_rates(
        self, summand: Summand, changes: Summand | None, periods: Sequence[Period]
    ) -> tuple[Exact, Gaps]:
        """What changed rates alone did to the balances of the day before, over each period."""
        worth, gaps = self._nothing(len(periods)), self._no_gaps(len(periods))
        first = min((period.start for period in periods), default=date.max)
        last = max((period.closing for period in periods), default=date.min)
        for currency in self.sums.currencies:
            days = self.rates.changes(currency, first, last)
            held = self._over(summand, [Days(None, day - DAY) for day in days], currency)
            steps = Exact.of([self.rates.step(currency, day) for day in days])
            running = (held * steps[:, np.newaxis]).added_up()
            low = [bisect_left(days, period.start) for period in periods]
            high = [bisect_right(days, period.closing) for period in periods]
            worth += running[high] - running[low]
            for row, period in enumerate(periods):
                gaps[row] |= self._unrated(summand, changes, currency, period)
        return worth, gaps

    def _unrated(self, summand: Summand, changes: Summand | None, currency: str, period: Period) -> Gaps:
        """Whether anything was held in the currency on a day before its first quote, up to the day before the last."""
        quotes = self.rates.changes(currency, date.min, period.closing)
        last = min(quotes[0], period.closing) - DAY if quotes else period.closing - DAY
        if last < period.opening:
            return np.zeros(len(self.within), dtype=bool)
        held: Gaps = self._over(summand, [Days(None, period.opening)], currency).units[0] != 0
        if changes is not None and last >= period.start:
            held = held | (self._over(changes, [Days(period.start, last)], currency).units[0] != 0)
        return held

    def _over(self, summand: Summand, spans: Sequence[Days], currency: str) -> Exact:
        return self.sums.over(summand, spans, self.within, currency)

    def _nothing(self, rows: int) -> Exact:
        return Exact(np.zeros((rows, len(self.within)), dtype=np.int64))

    def _no_gaps(self, rows: int) -> Gaps:
        return np.zeros((rows, len(self.within)), dtype=bool)
