"""Acquisition: what new customers cost, and how long it takes to earn that back."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, Uncut, Unknown, count, ratio, total
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import Earlier
from revgauge.derived.acquired import ADVERTISING, Credit
from revgauge.derived.costs import COST_OF_GOODS, PLAIN_PURPOSE, Basis, margin_known

Variant = Literal["blended", "new", "paid"]

SELLING = ("sales", "marketing")
"""The departments whose spend is counted."""


@metric(label="Acquisition cost", unit=Unit.MONEY, better="down", excluded=("category",))
def acquisition_cost(
    booked_expenses: Facts,
    *,
    departments: tuple[str, ...] = SELLING,
    variant: Variant = "blended",
    lag_months: int = 0,
) -> Measure:
    """All that sales and marketing spend, without the cost of goods, on the day on which it is booked.

    `new` counts only what is spent on acquisition (or for no purpose that is told), `paid` only advertising. With
    `lag_months` it is what was spent that many months earlier, for sales that take time; those earlier days are taken
    whole, also where the period itself is in progress.

    Unit: money
    Formula: sum of the expenses of the departments
    Null: an expense is in a currency without a rate, or expenses were never loaded
    Edges: loaded but nothing booked is 0
    Seed: S1, S3, S4 (all expenditure of marketing and sales)
    Source: finmark, metrickit-cac
    So what: the bill for growth
    """
    counted = _.department.isin(departments) & (_.category != COST_OF_GOODS)
    if variant == "new":
        counted = counted & (_.purpose == PLAIN_PURPOSE)
    elif variant == "paid":
        counted = counted & (_.category == ADVERTISING)
    return total(booked_expenses, "amount", where=counted, span=Earlier(lag_months), gap=_.unconverted)


@metric(label="Customer acquisition cost", unit=Unit.MONEY, better="down", kind="ratio", aliases=("cac",))
def customer_acquisition_cost(  # noqa: PLR0913 - each variant has customers of its own
    acquisition_cost: Measure,
    acquired_customers: Facts,
    won_customers: Facts,
    credited_customers: Facts,
    credited_winners: Facts,
    context: Context,
    *,
    variant: Variant = "blended",
    customers: Literal["mrr", "won"] = "mrr",
    credit: Credit = "all",
) -> Measure:
    """What sales and marketing spend for each new customer.

    By department it is the department's spend for each new customer of the company, so that departments add up; by
    channel what is booked on the channel for each new customer whose channel it is. Costs are not booked by segment or
    owner. With variant `paid` and no channel, the customers are those whose channel is advertised on. `customers = won`
    counts accounts on the day of their first won deal. With a department, `credit` asks only for customers whose first
    won deal it touched, or touched alone. Who returned is not new.

    Unit: money for a new customer
    Formula: acquisition cost / new customers
    Null: there is no new customer; the money is not lost, it shows in the acquisition cost
    Edges: customers without any spend cost 0
    Seed: S1 (reduce it), S2, S3, S4
    Source: metrickit-cac, matchbox-cac
    So what: which department and channel to feed; if high shorten the cycle, drop the channel or raise the win rate
    By: department, channel
    """
    advertised = _.advertised if variant == "paid" and "channel" not in context.split else None
    if credit == "all":
        facts = acquired_customers if customers == "mrr" else won_customers
        acquired: Measure = Uncut(count(facts, where=advertised), ("department",))
    elif "department" not in context.split:
        return Unknown(f"credit = {credit} says whom a department won: ask for one, or by department")
    else:
        acquired = count(credited_customers if customers == "mrr" else credited_winners, where=advertised)
    return ratio(acquisition_cost, acquired, "there is no new customer")


@metric(label="CAC ratio", unit=Unit.RATIO, better="down", kind="ratio", aliases=("cac_ratio",))
def customer_acquisition_cost_ratio(
    acquisition_cost: Measure, new_mrr: Measure, expansion_mrr: Measure, *, variant: Variant = "blended"
) -> Measure:
    """What a unit of new annual recurring revenue costs.

    All spend is set against what new and growing customers add; with variant `new` or `paid`, which buy new customers,
    against what these add alone.

    Unit: money spent for a unit of annual recurring revenue
    Formula: acquisition cost / (12 x (new + expansion MRR)); new: acquisition cost / (12 x new MRR)
    Null: nothing was gained
    Source: benchmarkit-2025, kbcm-2019
    So what: the price of growth; if it rises look at what each channel brings
    Benchmark: new: median 2.00, worst quartile 2.82 in 2024 (benchmarkit-2025); blended: 1.14 in 2018 (kbcm-2019)
    """
    gained = new_mrr + expansion_mrr if variant == "blended" else new_mrr
    return ratio(acquisition_cost, 12 * gained, "no recurring revenue was gained")


@metric(label="CAC payback", unit=Unit.MONTHS, better="down", kind="ratio", aliases=("cac_payback_months",))
def customer_acquisition_payback_months(
    acquisition_cost: Measure,
    new_mrr: Measure,
    mrr_earnings: Facts,
    booked_expenses: Facts,
    *,
    basis: Basis = "margin",
    gross_margin: Decimal | None = None,
) -> Measure:
    """How many months of gross margin of the new customers pay for their acquisition.

    Both are totals of the period. The margin is the one that is given, else that of the last twelve months; with basis
    `revenue` none is taken off.

    Unit: months
    Formula: acquisition cost / (new MRR x gross margin)
    Null: there is no new MRR, or no margin is known
    Source: smsb, hubspot-payback, updata
    So what: how much cash growth ties up; if long raise the price of the first year or cut paid spend
    Benchmark: under 12 months is great, under 18 good (updata); under 12 (skok)
    """
    margin = margin_known(mrr_earnings, booked_expenses, basis=basis, gross_margin=gross_margin)
    return ratio(acquisition_cost, new_mrr * margin, "there is no new recurring revenue that leaves a margin")


@metric(label="LTV to CAC", unit=Unit.RATIO, timing="leading", kind="ratio", aliases=("ltv_to_cac",))
def lifetime_value_to_acquisition_cost(lifetime_value: Measure, customer_acquisition_cost: Measure) -> Measure:
    """What a customer is worth over its lifetime for each unit spent on winning one.

    Unit: money of lifetime value for a unit of acquisition cost
    Formula: lifetime value / customer acquisition cost
    Null: one of the two is not known, or the acquisition cost is 0
    Seed: S3, S4
    Source: skok
    So what: may we spend more; below 3 mend churn, price or channel; far above 3 we invest too little
    Benchmark: 3 (skok)
    """
    return ratio(lifetime_value, customer_acquisition_cost, "the acquisition of a customer cost nothing")
