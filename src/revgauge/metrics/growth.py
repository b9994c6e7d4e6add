"""Growth: revenue from each of its sources and how it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import At, Constant, Measure, OfPeriod, accrual, ratio, total
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.revenue import Source, recurring_revenue
from revgauge.model.period import Calendar, Period

DAYS_OF_YEAR = Decimal(365)


@metric(label="Revenue", unit=Unit.MONEY)
def revenue(
    mrr_earnings: Facts,
    contract_earnings: Facts,
    invoiced_revenue: Facts,
    collected_revenue: Facts,
    won_opportunities: Facts,
    *,
    source: Source = "recurring",
) -> Measure:
    """What customers were worth in the period, from the source that is asked for.

    `recurring`: every day earns its recurring revenue divided by the days of its month. `invoiced`: bills less credit
    notes, by day of issue. `collected`: payments less refunds and clawbacks, by day of payment. `recognised`: every
    contract's value in equal parts over the days of its term. `bookings`: deals won, by day of closing. The first and
    the fourth come near to revenue by accounting standards where a service is ready all the time; none of the five is
    a financial statement, so say which it is wherever one is shown.

    Unit: money
    Formula: sum over the days of the period, each at its own rates
    Null: an amount is in a currency without a rate; the source was never loaded; the period has not begun
    Edges: loaded but nothing earned is 0
    Seed: S0, S3
    Source: asc-606, ias-21, leapfin-mrr
    So what: the outcome that all else serves
    """
    if source == "invoiced":
        return total(invoiced_revenue, "amount", gap=_.unconverted)
    if source == "collected":
        return total(collected_revenue, "amount", gap=_.unconverted)
    if source == "recognised":
        return accrual(contract_earnings, "amount", currency="currency", pace="day")
    if source == "bookings":
        return total(won_opportunities, "amount", gap=_.unconverted)
    return recurring_revenue(mrr_earnings)


def base_alike(calendar: Calendar, period: Period, compare: str) -> Period:
    """The period with which another is compared, cut to as many days from its start as the other has had so far."""
    base = calendar.year_before(period) if compare == "yoy" else calendar.shift(period, -1)
    if not period.partial:
        return base
    end = min(base.end, base.start + timedelta(days=period.days))
    return replace(base, end=end, label=f"{base.label}, first {(end - base.start).days} days")


@metric(label="Revenue growth", unit=Unit.RATIO, kind="ratio")
def revenue_growth_rate(revenue: Measure, context: Context, *, compare: Literal["yoy", "prev"] = "yoy") -> Measure:
    """How much more revenue a period brought than the same period a year before, or than the period before it.

    A period in progress is compared with as many days from the start of the other, so that half a month does not stand
    against a whole one.

    Unit: share of the revenue of the base
    Formula: revenue / revenue of the base - 1
    Null: the base had no revenue, or a negative one
    Seed: S0, S1, S2
    Source: bessemer-2021
    So what: the first goal of revenue operations; if slow take it apart by movement, segment and channel
    Benchmark: median 26 % in 2024 (benchmarkit-2025); 36 % in 2018 (kbcm-2019)
    """
    calendar = context.calendar
    base = At(revenue, lambda period: base_alike(calendar, period, compare))
    return ratio(revenue, base, "there was no revenue in the period to compare with") - 1


@metric(label="Run rate", unit=Unit.MONEY, kind="formula")
def run_rate(revenue: Measure, *, per: Literal["day", "month", "year"] = "day") -> Measure:
    """Revenue for each day of the period, or for each day that has passed.

    With `per` it is carried to an average month or to a year, which is how the market speaks of it. It says where the
    company lands if nothing changes, and misleads where business has seasons or is paid in advance, as with
    `source = invoiced`.

    Unit: money a day (a month, a year)
    Formula: revenue / days passed
    Null: the revenue is not known
    Seed: S2
    Source: leapfin-mrr
    So what: where we land if nothing changes
    """
    daily = ratio(revenue, OfPeriod(lambda period: Decimal(period.days)))
    if per == "day":
        return daily
    return daily * Constant(DAYS_OF_YEAR if per == "year" else DAYS_OF_YEAR / 12)
