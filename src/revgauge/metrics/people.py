"""People: how many work here, and what each brings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Literal

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import At, Measure, Uncut, Worked, balance, ratio
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.revenue import last_twelve_months
from revgauge.model.period import DAY, Period, add_months

MONTHS = 12


def month_end(months: int, period: Period) -> Period:
    """The last day of the window without so many of its last months."""
    end = add_months(period.closing + DAY, -months)
    return replace(period, start=end - DAY, end=end, grain="day", label=f"{end - DAY}")


@metric(label="Headcount", unit=Unit.COUNT, kind="stock", better="target")
def headcount(employment_changes: Facts) -> Measure:
    """Employees on the closing day, in full-time equivalents; who has no share of full time given counts as one.

    Unit: full-time equivalents
    Formula: sum of the shares of full time of those hired on or before the day who have not left by then
    Edges: the day of leaving is the first day away
    Seed: S0, S2
    Source: omegapoint-fte
    So what: what growth costs in people; read it beside revenue
    """
    return balance(employment_changes, "fte")


@metric(label="Revenue per full-time equivalent", unit=Unit.MONEY, kind="ratio", aliases=("revenue_per_fte",))
def revenue_per_full_time_equivalent(revenue: Measure, headcount: Measure) -> Measure:
    """Revenue of twelve months for each full-time equivalent employed in them on average.

    By department it is the revenue of the company for each head of the department.

    Unit: money a year for a full-time equivalent
    Formula: revenue of the 12 months up to the closing day / mean headcount on the ends of these months
    Null: nobody was employed
    Seed: S0, S4 (revenue per employee)
    Source: omegapoint-fte
    So what: productivity; if low look at enablement, automation and span of control
    Benchmark: ARR for each full-time equivalent 200,000 dollars at 50 to 100 million of ARR, 300,000 above
        (benchmarkit-2025); 90,000 is good at 1 to 5 million (openview-2023)
    """
    ends = tuple(At(headcount, partial(month_end, back)) for back in range(MONTHS))
    mean = Worked(lambda *heads: sum(heads, Decimal(0)) / MONTHS, ends)
    return ratio(Uncut(At(revenue, last_twelve_months), ("department",)), mean, "nobody was employed")


@metric(label="Headcount growth", unit=Unit.RATIO, kind="ratio", better="target")
def headcount_growth_rate(headcount: Measure, context: Context, *, compare: Literal["yoy", "prev"] = "yoy") -> Measure:
    """How many more full-time equivalents are employed on the closing day than a year, or a period, before.

    Unit: share of the headcount of the base
    Formula: headcount / headcount on the closing day of the base - 1
    Null: nobody was employed then
    Seed: S0
    Source: omegapoint-fte
    So what: set it against the growth of revenue
    """
    calendar = context.calendar
    base = At(headcount, calendar.year_before if compare == "yoy" else lambda period: calendar.shift(period, -1))
    return ratio(headcount, base, "nobody was employed on the day to compare with") - 1


@metric(label="Revenue growth less headcount growth", unit=Unit.POINTS, kind="formula")
def growth_gap(revenue_growth_rate: Measure, headcount_growth_rate: Measure) -> Measure:
    """How far revenue grows faster than the number of people.

    A difference and no quotient, which would burst where growth is near zero.

    Unit: points of growth, as a fraction
    Formula: revenue growth - headcount growth, over the same time
    Null: one of the two has no base
    Seed: S0
    Source: omegapoint-fte
    So what: if negative growth is bought with heads; slow hiring down or raise what a head brings
    """
    return revenue_growth_rate - headcount_growth_rate
