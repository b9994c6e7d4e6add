"""Exchange rates of a day, and sums that one missing rate makes unknown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from .tables import Tables


class Rates:
    """What one unit of a currency is worth in the reporting currency."""

    def __init__(self, tables: Tables, reporting: str, now: date) -> None:
        """Quotes later than `now` are as if not there."""
        self._reporting = reporting
        self._quotes = [row for row in tables.rows("exchange_rates") if row["quoted_on"] <= now]
        self._found: dict[tuple[str, date], Fraction | None] = {}

    def on(self, currency: str | None, day: date) -> Fraction | None:
        """The last quote on or before the day; None without one. The reporting currency is 1."""
        if currency is None or currency == self._reporting:
            return Fraction(1)
        if (currency, day) not in self._found:
            self._found[currency, day] = self._last_quote(currency, day)
        return self._found[currency, day]

    def _last_quote(self, currency: str, day: date) -> Fraction | None:
        earlier = [row for row in self._quotes if row["currency"] == currency and row["quoted_on"] <= day]
        return Fraction(max(earlier, key=lambda row: row["quoted_on"])["rate"]) if earlier else None

    def convert(self, amount: Fraction, currency: str | None, day: date) -> Fraction | None:
        """An amount in the reporting currency at the rate of a day; None where no rate is known."""
        rate = self.on(currency, day)
        return None if rate is None else amount * rate


def total(amounts: Iterable[Fraction | None]) -> Fraction | None:
    """The sum, which is unknown as soon as one part is."""
    known = list(amounts)
    if any(amount is None for amount in known):
        return None
    return sum((amount for amount in known if amount is not None), Fraction(0))


def ratio(part: Fraction | int | None, whole: Fraction | int | None) -> Fraction | None:
    """Part over whole; None if either is unknown or the whole is not above zero."""
    if part is None or whole is None or whole <= 0:
        return None
    return Fraction(part) / Fraction(whole)


def quantile(values: list[Fraction], share: Fraction) -> Fraction | None:
    """Linear interpolation between order statistics (type 7); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def statistic(values: list[Fraction], stat: str) -> Fraction | None:
    """Mean, median or 90th percentile; None of nothing."""
    if stat == "mean":
        return sum(values, Fraction(0)) / len(values) if values else None
    return quantile(values, {"median": Fraction(1, 2), "p90": Fraction(9, 10)}[stat])
