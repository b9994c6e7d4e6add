"""Growth: revenue from each of its sources and how it changes."""

from __future__ import annotations

from ibis import _

from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, accrual, total
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.revenue import Source, recurring_revenue


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
