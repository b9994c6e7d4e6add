"""Recurring revenue by brute force: which subscription rows are live on each single day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise, zip_longest
from typing import Any

from .money import total
from .periods import DAY
from .question import Question
from .tables import Row

ACCOUNT_DIMENSIONS = ("segment", "region", "industry", "channel", "owner_id", "account_id")
FOREVER = date.max


@dataclass(frozen=True)
class Line:
    """A subscription row with the days on which it really is in force: `start` up to the day before `end`."""

    subscription_id: str
    account_id: str
    start: date
    end: date
    mrr: Fraction
    currency: str | None
    quantity: Fraction | None
    product: str
    plan: str
    cancel_reason: str


Lines = tuple[Line, ...]


def lines_of(question: Question) -> list[Line]:
    """All rows of the standing agreements, each cut where it ends; rows without a day are dropped."""
    agreements: dict[str, Row] = {row["subscription_id"]: row for row in question.tables.rows("subscriptions")}
    of_subscription: dict[str, list[Row]] = defaultdict(list)
    for row in question.tables.rows("subscription_periods"):
        of_subscription[row["subscription_id"]].append(row)
    lines = []
    for subscription_id, rows in of_subscription.items():
        agreement = agreements.get(subscription_id, {})
        rows.sort(key=lambda row: (row["valid_from"], row["valid_to"] or FOREVER, row["mrr"]))
        for row, following in zip_longest(rows, rows[1:]):
            end = min(
                row["valid_to"] or FOREVER,
                following["valid_from"] if following else FOREVER,
                agreement.get("ended_on") or FOREVER,
            )
            if end > row["valid_from"]:
                lines.append(_line(question, row, agreement, end))
    return lines


def _line(question: Question, row: Row, agreement: dict[str, Any], end: date) -> Line:
    account_id = question.accounts.survivor(row["account_id"] or agreement.get("account_id"))
    return Line(
        subscription_id=row["subscription_id"],
        account_id=account_id or "unknown",
        start=row["valid_from"],
        end=end,
        mrr=Fraction(0) if row["is_trial"] else row["mrr"],
        currency=row["currency"],
        quantity=row["quantity"],
        product=agreement.get("product") or "unknown",
        plan=agreement.get("plan") or "unknown",
        cancel_reason=agreement.get("cancel_reason") or "unknown",
    )


class Book:
    """The state of every account on every day, for one slice of the company.

    The params `level` and `gap_days` and the dimensions of the question are settled here, so that all metrics see the
    same days.
    """

    def __init__(self, question: Question) -> None:
        """Write down the live rows of each account for each day up to `now`."""
        self.question = question
        self._rates = question.rates
        self._days: dict[str, dict[date, Lines]] = {}
        self._paying: dict[str, list[date]] = {}
        self.remembered: dict[Any, Any] = {}
        grouped: dict[str, list[Line]] = defaultdict(list)
        for line in lines_of(question):
            if self._in_slice(line):
                grouped[self._group(line.account_id)].append(line)
        for account_id, lines in sorted(grouped.items()):
            days: dict[date, Lines] = {}
            day = min(line.start for line in lines)
            while day <= question.now:
                days[day] = tuple(line for line in lines if line.start <= day < line.end)
                day += DAY
            self._days[account_id] = self._bridged(days, question.params.get("gap_days", 0))

    @classmethod
    def of(cls, question: Question) -> Book:
        """The book for a question; questions that see the same days share one."""
        level, gap_days = question.params.get("level", "account"), question.params.get("gap_days", 0)
        slices = tuple(sorted(item for item in question.by.items() if item[0] != "cancel_reason"))
        key = (question.now, question.reporting_currency, level, gap_days, slices)
        if key not in question.tables.remembered:
            question.tables.remembered[key] = cls(question)
        return question.tables.remembered[key]  # type: ignore[no-any-return]

    def _group(self, account_id: str) -> str:
        if self.question.params.get("level", "account") == "parent":
            return self.question.accounts.top(account_id)
        return account_id

    def _in_slice(self, line: Line) -> bool:
        for dimension, wanted in self.question.by.items():
            if dimension in ACCOUNT_DIMENSIONS:
                found = self.question.accounts.dimension(self._group(line.account_id), dimension)
            elif dimension in {"product", "plan"}:
                found = getattr(line, dimension)
            else:
                continue
            if found != wanted:
                return False
        return True

    def _bridged(self, days: dict[date, Lines], gap_days: int) -> dict[date, Lines]:
        """Fill each break of at most `gap_days` days between paying days with the rows before it."""
        if gap_days <= 0:
            return days
        bridged = dict(days)
        paying = [day for day, lines in days.items() if self.pays(lines, day)]
        for before, after in pairwise(paying):
            if 1 < (after - before).days <= gap_days + 1:
                day = before + DAY
                while day < after:
                    bridged[day] = days[before]
                    day += DAY
        return bridged

    @property
    def accounts(self) -> list[str]:
        """Every account that ever had a row in this slice."""
        return list(self._days)

    def live(self, account_id: str, day: date) -> Lines:
        """The account's rows on a day."""
        return self._days.get(account_id, {}).get(day, ())

    def worth(self, lines: Iterable[Line], rates_of: date) -> Fraction | None:
        """The rows' MRR at the rates of a day; a sum below zero counts 0, a missing rate makes it unknown.

        A row for which nothing is paid needs no rate.
        """
        paid = [line for line in lines if line.mrr]
        amount = total(self._rates.convert(line.mrr, line.currency, rates_of) for line in paid)
        return None if amount is None else max(amount, Fraction(0))

    def pays(self, lines: Sequence[Line], rates_of: date) -> bool:
        """Whether the rows make a customer; where a rate is missing, rows none of which is negative do."""
        amount = self.worth(lines, rates_of)
        if amount is not None:
            return amount > 0
        return all(line.mrr >= 0 for line in lines) and any(line.mrr > 0 for line in lines)

    def mrr(self, account_id: str, day: date, rates_of: date | None = None) -> Fraction | None:
        """The account's MRR of a day, at that day's rates or at those of another."""
        return self.worth(self.live(account_id, day), rates_of or day)

    def is_customer(self, account_id: str, day: date) -> bool:
        """Whether the account pays on that day."""
        return self.pays(self.live(account_id, day), day)

    def customers(self, day: date) -> list[str]:
        """The accounts that pay on that day."""
        return [account_id for account_id in self.accounts if self.is_customer(account_id, day)]

    def paying_days(self, account_id: str) -> list[date]:
        """Every day up to `now` on which the account pays."""
        if account_id not in self._paying:
            days = self._days.get(account_id, {})
            self._paying[account_id] = [day for day in days if self.is_customer(account_id, day)]
        return self._paying[account_id]

    def first_day(self) -> date | None:
        """The first day on which any row is in force."""
        starts = [min(days) for days in self._days.values() if days]
        return min(starts) if starts else None

    def total_mrr(self, day: date, rates_of: date | None = None) -> Fraction | None:
        """MRR of the slice on a day; unknown if a live row has no rate."""
        return total(self.mrr(account_id, day, rates_of) for account_id in self.accounts)
