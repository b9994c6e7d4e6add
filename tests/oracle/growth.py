"""Revenue by its sources, growth, market and people, worked out day by day."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from fractions import Fraction

from .money import ratio, total
from .periods import DAY, Period, add_months
from .question import Question
from .subscriptions import ACCOUNT_DIMENSIONS, Book
from .tables import Row


def days(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last."""
    while first <= last:
        yield first
        first += DAY


def at_rate(question: Question, amount: Fraction, currency: str | None, day: date) -> Fraction | None:
    """An amount at the rate of a day; nothing is nothing at any rate."""
    return question.rates.convert(amount, currency, day) if amount else Fraction(0)


def _mine(question: Question, account_id: str | None) -> bool:
    return all(
        question.accounts.dimension(account_id, name) == wanted
        for name, wanted in question.by.items()
        if name in ACCOUNT_DIMENSIONS
    )


def of_days(question: Question, first: date, last: date, source: str | None = None) -> Fraction | None:
    """Revenue of a source from one day to another."""
    source = source or question.params.get("source", "recurring")
    return {
        "recurring": _recurring,
        "invoiced": _invoiced,
        "collected": _collected,
        "recognised": _recognised,
        "bookings": _bookings,
    }[source](question, first, min(last, question.now))


def _recurring(question: Question, first: date, last: date) -> Fraction | None:
    if not question.tables.loaded("subscription_periods"):
        return None
    book = Book.of(question)
    begun = book.first_day()
    if begun is None:
        return Fraction(0)
    parts = []
    for day in days(max(first, begun), last):
        amount = book.total_mrr(day)
        parts.append(None if amount is None else amount / monthrange(day.year, day.month)[1])
    return total(parts)


def _lowers(row: Row, *kinds: str) -> int:
    return -1 if row["kind"] in kinds or row["amount"] < 0 else 1


def _invoiced(question: Question, first: date, last: date) -> Fraction | None:
    if not question.tables.loaded("invoices"):
        return None
    return total(
        at_rate(question, abs(row["amount"]) * _lowers(row, "credit_note"), row["currency"], row["issued_on"])
        for row in question.tables.rows("invoices")
        if first <= row["issued_on"] <= last and _mine(question, row["account_id"])
    )


def _collected(question: Question, first: date, last: date) -> Fraction | None:
    if not question.tables.loaded("payments"):
        return None
    bills = {row["invoice_id"]: row for row in question.tables.rows("invoices")}
    parts = []
    for row in question.tables.rows("payments"):
        bill = bills.get(row["invoice_id"], {})
        day = question.day_of(row["paid_at"])
        if first <= day <= last and _mine(question, bill.get("account_id")):
            amount = abs(row["amount"]) * _lowers(row, "refund", "clawback")
            parts.append(at_rate(question, amount, row["currency"] or bill.get("currency"), day))
    return total(parts)


def _recognised(question: Question, first: date, last: date) -> Fraction | None:
    if not question.tables.loaded("contracts"):
        return None
    parts = []
    for row in question.tables.rows("contracts"):
        start, end = row["starts_on"], row["ends_on"]
        if (
            start is None
            or end is None
            or end <= start
            or row["value"] is None
            or not _mine(question, row["account_id"])
        ):
            continue
        daily = row["value"] / (end - start).days
        parts += [
            at_rate(question, daily, row["currency"], day) for day in days(max(start, first), min(end - DAY, last))
        ]
    return total(parts)


def won_deals(question: Question) -> list[Row]:
    """Every deal won by `now`, of all types, without duplicates."""
    return [
        row
        for row in question.tables.rows("opportunities")
        if row["is_won"]
        and not row["duplicate_of"]
        and question.known(row["closed_at"])
        and question.known(row["created_at"])
    ]


def _bookings(question: Question, first: date, last: date) -> Fraction | None:
    if not question.tables.loaded("opportunities"):
        return None
    return total(
        at_rate(question, row["amount"], row["currency"], question.day_of(row["closed_at"]))
        for row in won_deals(question)
        if row["amount"] is not None
        and first <= question.day_of(row["closed_at"]) <= last
        and _mine(question, row["account_id"])
    )


def revenue(question: Question) -> Fraction | None:
    """Revenue of the period."""
    return of_days(question, question.period.start, question.closing_day)


def revenue_growth_rate(question: Question) -> Fraction | None:
    """Against the same period a year before or the one before, cut to as many days where the period is in progress."""
    base = _base(question.period, question.params.get("compare", "yoy"))
    if base is None:
        return None
    last = base.end - DAY
    if question.period.end - DAY > question.now:
        last = min(last, base.start + (question.now - question.period.start))
    grown = ratio(revenue(question), of_days(question, base.start, last))
    return None if grown is None else grown - 1


def _base(period: Period, compare: str) -> Period | None:
    if period.grain == "all":
        return None
    return period.a_year_before() if compare == "yoy" else period.shifted(-1)


def run_rate(question: Question) -> Fraction | None:
    """Revenue over the days that have passed, carried to a month or a year."""
    passed = (question.closing_day - question.period.start).days + 1
    daily = ratio(revenue(question), passed)
    factor = {"day": Fraction(1), "month": Fraction(365, 12), "year": Fraction(365)}
    return None if daily is None else daily * factor[question.params.get("per", "day")]


def of_twelve_months(question: Question, closing: date, source: str | None = None) -> Fraction | None:
    """Revenue of the twelve months up to a day."""
    return of_days(question, add_months(closing + DAY, -12), closing, source)


def _market(question: Question, year: int, field: str) -> Fraction | None:
    """The size in a year: of the segment asked for, or the row for all, or the sum of the segments."""
    rows = [row for row in question.tables.rows("markets") if row["year"] == year]
    day = min(date(year, 12, 31), question.now)

    def size(row: Row) -> Fraction | None:
        if row[field] is None or field == "addressable_accounts":
            return row[field]  # type: ignore[no-any-return]
        return at_rate(question, row[field], row["currency"], day)

    named = [row for row in rows if row["segment"] not in (None, "all")]
    if "segment" in question.by:
        named = [row for row in named if row["segment"] == question.by["segment"]]
    else:
        whole = [row for row in rows if row["segment"] in (None, "all") and row[field] is not None]
        if whole:
            return size(whole[0])
    return total(size(row) for row in named) if named else None


def market_penetration(question: Question) -> Fraction | None:
    """Customers over the companies that could buy, or ARR over what they could spend."""
    book, day = Book.of(question), question.closing_day
    if question.params.get("measure", "accounts") == "accounts":
        return ratio(len(book.customers(day)), _market(question, day.year, "addressable_accounts"))
    monthly = book.total_mrr(day)
    return ratio(None if monthly is None else 12 * monthly, _market(question, day.year, "addressable_revenue"))


def market_share(question: Question) -> Fraction | None:
    """Revenue of twelve months over that of the market in the year of the closing day."""
    return ratio(
        of_twelve_months(question, question.closing_day),
        _market(question, question.closing_day.year, "market_revenue"),
    )


def market_share_change(question: Question) -> Fraction | None:
    """Less the share of the same period a year before."""
    if question.period.grain == "all":
        return None
    share, before = market_share(question), market_share(question.asking(period=question.period.a_year_before()))
    return None if share is None or before is None else share - before


def employed(question: Question, day: date) -> list[Row]:
    """Who is employed on a day."""
    return [
        row
        for row in question.tables.rows("people")
        if row["hired_on"] is not None
        and row["hired_on"] <= min(day, question.now)
        and (row["left_on"] is None or row["left_on"] > day)
        and question.by.get("department", row["department"] or "unknown") == (row["department"] or "unknown")
    ]


def heads(question: Question, day: date) -> Fraction:
    """Full-time equivalents on a day."""
    found = (Fraction(1) if row["fte"] is None else row["fte"] for row in employed(question, day))
    return sum(found, Fraction(0))


def headcount(question: Question) -> Fraction | None:
    """Full-time equivalents on the closing day."""
    return heads(question, question.closing_day)


def headcount_growth_rate(question: Question) -> Fraction | None:
    """Against the closing day of the base."""
    base = _base(question.period, question.params.get("compare", "yoy"))
    if base is None:
        return None
    grown = ratio(headcount(question), heads(question, base.end - DAY))
    return None if grown is None else grown - 1


def growth_gap(question: Question) -> Fraction | None:
    """Growth of revenue less growth of headcount."""
    revenues, people = revenue_growth_rate(question), headcount_growth_rate(question)
    return None if revenues is None or people is None else revenues - people


def revenue_per_full_time_equivalent(question: Question) -> Fraction | None:
    """Revenue of twelve months over the mean of the heads at their ends; by department the heads alone are cut."""
    ends = [add_months(question.closing_day + DAY, -back) - DAY for back in range(12)]
    mean = sum((heads(question, day) for day in ends), Fraction(0)) / 12
    return ratio(of_twelve_months(question.asking(by={}), question.closing_day), mean)
