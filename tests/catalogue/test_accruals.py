"""What a balance earns, and measures that are not cut with the rest: against sums day by day."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from ibis import _
from tests.catalogue.worlds import evaluation_over

from revgauge.catalogue.accruals import PARTS, Earnings, elapsed, with_earnings
from revgauge.catalogue.context import Context, Rates
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.facts import Facts, own
from revgauge.catalogue.measures import Measure, Pace, Uncut, accrual, count, limited, ratio
from revgauge.catalogue.registry import Catalogue, Unit, derived, metric
from revgauge.catalogue.rows import RowFinder
from revgauge.catalogue.spans import Earlier, Fixed, OnClosing, YearOfClosing
from revgauge.model.period import Calendar, Period

DAY = timedelta(days=1)
QUOTES = [("EUR", date(2025, 1, 20), Decimal("1.1")), ("EUR", date(2025, 2, 10), Decimal("1.25"))]


@derived(dimensions=own("account_id"), row_key=("invoice_id",))
def monthly_changes(invoices: Any, context: Context) -> Any:
    """Invoices as changes of what is paid for a month, by the day of issue."""
    known = invoices.filter(_.issued_on <= context.today())
    changes = known.select(
        "invoice_id", "account_id", "amount", day=_.issued_on, currency=_.currency.fill_null(context.reporting_currency)
    )
    return with_earnings(changes, context, "month")


@derived(dimensions=own("account_id"), row_key=("invoice_id",))
def daily_changes(invoices: Any, context: Context) -> Any:
    """The same as changes of what is paid for a day."""
    known = invoices.filter(_.issued_on <= context.today())
    changes = known.select(
        "invoice_id", "account_id", "amount", day=_.issued_on, currency=_.currency.fill_null(context.reporting_currency)
    )
    return with_earnings(changes, context, "day")


@metric(label="Earned of months", unit=Unit.MONEY)
def earned_of_months(monthly_changes: Facts) -> Measure:
    """What the balance of monthly amounts earned."""
    return accrual(monthly_changes, "amount", currency="currency", pace="month")


@metric(label="Earned of days", unit=Unit.MONEY)
def earned_of_days(daily_changes: Facts) -> Measure:
    """What the balance of daily amounts earned."""
    return accrual(daily_changes, "amount", currency="currency", pace="day")


@metric(label="Share of changes", unit=Unit.RATIO)
def share_of_changes(daily_changes: Facts) -> Measure:
    """Changes of each account over those of all accounts."""
    return ratio(count(daily_changes), Uncut(count(daily_changes), ("account_id",)))


METRICS = (monthly_changes, daily_changes, earned_of_months, earned_of_days, share_of_changes)
CATALOGUE = Catalogue(iter([function.__dict__["definition"] for function in METRICS]))


def test_a_month_has_the_same_parts_whatever_its_length() -> None:
    """The days of each month of four years make up all of its parts, in whole numbers; a day is one part of a day."""
    for month in range(48):
        start = date(2023 + month // 12, month % 12 + 1, 1)
        length = monthrange(start.year, start.month)[1]
        steps = [elapsed(start + DAY * n, "month") - elapsed(start + DAY * (n - 1), "month") for n in range(length)]
        assert set(steps) == {PARTS["month"] // length}
        assert sum(steps) == PARTS["month"]
    assert elapsed(date(2025, 3, 2), "day") - elapsed(date(2025, 3, 1), "day") == PARTS["day"]


def test_a_unit_earns_at_the_rate_of_each_day_from_its_first_quote_on() -> None:
    """From 20 January 21 days at 1.1 and 4 at 1.25 make 28.1 by 13 February; before, there is no rate."""
    earnings = Earnings(Rates(QUOTES, "USD"), "day")
    assert earnings.earned("EUR", date(2025, 1, 19)) == 0
    # 20 January to 9 February are 21 days: 21 x 1.1 + 4 x 1.25 = 23.1 + 5.
    assert earnings.earned("EUR", date(2025, 2, 13)) == Decimal("28.1")
    assert earnings.unrated("EUR", date(2025, 2, 13)) - earnings.unrated("EUR", date(2024, 12, 31)) == 19
    assert earnings.unrated("CHF", date(2025, 2, 13)) - earnings.unrated("CHF", date(2025, 2, 3)) == 10
    assert earnings.unrated("USD", date(2025, 2, 13)) == 0


def changes(seed: int) -> list[dict[str, str]]:
    """Amounts that begin and end on drawn days, in two currencies and one that is never quoted."""
    dice = Random(seed)
    rows: list[dict[str, str]] = []
    for number in range(14):
        first = date(2024, 12, 1) + DAY * dice.randrange(100)
        amount = dice.choice(("100", "33.33", "0.000001"))
        currency = dice.choice(("USD", "EUR", "EUR", "") if seed % 2 else ("USD", "EUR", "CHF"))
        for day, sign in ((first, ""), (first + DAY * dice.randrange(1, 60), "-")):
            rows.append(
                {
                    "invoice_id": f"i{len(rows)}",
                    "account_id": f"a{number % 3}",
                    "issued_on": day.isoformat(),
                    "amount": f"{sign}{amount}",
                    "currency": currency,
                }
            )
    return rows


def worlds(seed: int) -> Evaluation:
    """An evaluation over the changes of a seed, at the end of March 2025."""
    quotes = [{"currency": name, "quoted_on": str(day), "rate": str(rate)} for name, day, rate in QUOTES]
    return evaluation_over({"invoices": changes(seed), "exchange_rates": quotes}, CATALOGUE)


def periods(calendar: Calendar) -> tuple[Period, ...]:
    """Days, weeks, months, quarters, years and all time."""
    names = ("2025-01-19", "2025-01-20", "2025-02-28", "2025-W06", "2024-12", "2025-01", "2025-02", "2025-03")
    return tuple(calendar.parse(name) for name in (*names, "2025-Q1", "2024", "2025", "all"))


def by_day(seed: int, period: Period, pace: Pace, account_id: str = "") -> Fraction | None:
    """The same day by day: the balance of each day, at its rate, and over the days of its month."""
    rates, rows = Rates(QUOTES, "USD"), changes(seed)
    total = Fraction(0)
    for day in each_day(max(period.start, date(2024, 12, 1)), period.closing):
        for currency in ("USD", "EUR", "CHF"):
            balance = sum(
                Fraction(row["amount"])
                for row in rows
                if row["issued_on"] <= day.isoformat()
                and (row["currency"] or "USD") == currency
                and account_id in ("", row["account_id"])
            )
            rate = rates.on(currency, day)
            if balance and rate is None:
                return None
            length = monthrange(day.year, day.month)[1] if pace == "month" else 1
            total += balance * Fraction(rate or 0) / length
    return total


def each_day(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last."""
    for number in range((last - first).days + 1):
        yield first + DAY * number


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pace", ["month", "day"])
def test_an_accrual_is_the_sum_of_its_days(seed: int, pace: Pace) -> None:
    """What a balance earned in any period and cut is what its days earned, and null where one of them has no rate."""
    evaluation = worlds(seed)
    asked = periods(evaluation.context.calendar)
    name = f"earned_of_{pace}s"
    whole, split = evaluation.results([Request(name, asked), Request(name, asked, by=("account_id",))])
    for value in (*whole.values(), *split.values()):
        expected = by_day(seed, value.period, pace, value.dimensions.get("account_id", ""))
        assert (value.value is None) == (expected is None), (value, expected)
        if value.value is not None and expected is not None:
            assert abs(Fraction(value.value) - expected) < Fraction(1, 10**18)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_rows_of_an_accrual_add_up_to_it(seed: int) -> None:
    """The stretches of days behind a number, each with its balance, make it up again."""
    evaluation = worlds(seed)
    finder = RowFinder(evaluation)
    listed = 0
    for period in periods(evaluation.context.calendar):
        for only in ({}, {"account_id": "a1"}):
            listing = finder.listing(Request("earned_of_months", (period,), only=only))
            assert listing.agrees
            for row in listing.parts[0].rows:
                assert period.start <= row["from"] <= row["to"] <= period.closing
                listed += 1
    assert listed


def test_what_is_not_cut_is_the_same_for_each_value() -> None:
    """Shares of accounts in the number of all changes add up to 1, split or asked for one by one, and rows agree."""
    evaluation = worlds(1)
    quarter = evaluation.context.calendar.parse("2025-Q1")
    (split,) = evaluation.results([Request("share_of_changes", (quarter,), by=("account_id",))])
    shares = {value.dimensions["account_id"]: value.value for value in split.values()}
    assert len(shares) == 3
    assert sum(share or 0 for share in shares.values()) == pytest.approx(1)
    for account_id, share in shares.items():
        request = Request("share_of_changes", (quarter,), only={"account_id": account_id})
        listing = RowFinder(evaluation).listing(request)
        assert listing.value.value == share
        assert listing.agrees


def test_a_limit_does_not_reach_what_is_not_cut_by_it() -> None:
    """A metric that is limited to a value keeps the whole beneath it, and a limit by something else reaches both."""
    facts = Facts("daily_changes")
    share = ratio(count(facts), Uncut(count(facts), ("account_id",)))
    leaves = list(limited(share, (("account_id", "a1"), ("plan", "pro"))).leaves())
    assert [leaf.only for leaf in leaves] == [(("account_id", "a1"), ("plan", "pro")), (("plan", "pro"),)]


CALENDAR = Calendar(date(2025, 3, 15))


@pytest.mark.parametrize(
    ("span", "period", "first", "last"),
    [
        (Earlier(0), "2025-03", date(2025, 3, 1), date(2025, 3, 15)),
        (Earlier(1), "2025-03", date(2025, 2, 1), date(2025, 2, 28)),
        (Earlier(3), "2025-Q1", date(2024, 10, 1), date(2024, 12, 31)),
        (Earlier(3), "2025", date(2024, 10, 1), date(2025, 3, 15)),
        (OnClosing(), "2025-03", date(2025, 3, 15), date(2025, 3, 15)),
        (OnClosing(), "2025-02", date(2025, 2, 28), date(2025, 2, 28)),
        (YearOfClosing(), "2025-Q1", date(2025, 1, 1), date(2025, 3, 15)),
        (YearOfClosing(), "2024-05", date(2024, 1, 1), date(2024, 5, 31)),
        (Fixed(date(2024, 1, 1), date(2024, 1, 31)), "2025-03", date(2024, 1, 1), date(2024, 1, 31)),
        (Fixed(date(2024, 1, 1), date(2025, 6, 30)), "2025-03", date(2024, 1, 1), date(2025, 3, 15)),
    ],
)
def test_spans_of_other_days_than_the_period(span: Any, period: str, first: date, last: date) -> None:
    """On 15 March 2025: the months before are taken whole, a year and fixed days as far as they have passed."""
    days = span(CALENDAR.parse(period))
    assert (days.first, days.last) == (first, last)
