"""Retention: how many customers, and how much of their revenue, are still there.

The customers of the opening day are followed to the closing day. Accounts that joined in between are in neither part;
one that left and came back in between is there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import (
    Curve,
    Distinct,
    Measure,
    Unknown,
    balance,
    count,
    ratio,
    total,
)
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import UpToClosing, UpToOpening
from revgauge.derived.retention import cohort_not_reached, opening_day
from revgauge.methods.survival import survival_curve
from revgauge.model.period import Period

Fx = Literal["constant", "spot"]
NO_CUSTOMER = "there was no customer on the opening day"
NO_REVENUE = "there was no recurring revenue on the opening day"


def _of_opening(facts: Facts, column: str, window_months: int | None) -> Measure:
    """A sum over the customers of the opening day, at the rates of that day."""
    money = column in ("opening", "net", "gross")
    return balance(
        facts,
        column,
        currency="currency" if money else None,
        convert_on=lambda period: opening_day(period, window_months),
    )


@metric(
    label="Customer churn rate",
    unit=Unit.RATIO,
    better="down",
    kind="window",
    aliases=("customer_churn_rate",),
    fixed={"window_months": None, "fx": "constant"},
)
def logo_churn_rate(
    retained_mrr: Facts,
    window_movements: Facts,
    departures: Facts,
    new_customers: Measure,
    mrr_changes: Facts,
    *,
    method: Literal["cohort", "events", "events_with_new"] = "cohort",
) -> Measure:
    """The share of the opening customers who are no customers at the close.

    Who joined and left inside the period is not counted, and a short break heals. With method `events` an account
    counts if it departed in the period, back or not; with `events_with_new` all who departed count, over opening and
    new customers. Rates of different grains cannot be compared, and monthly and annual contracts blur each other.

    Unit: share of opening customers
    Formula: opening customers that are none at the close / opening customers
    Null: there was no customer on the opening day
    Edges: nobody lost is 0
    Seed: S2, S3, S4
    Source: chartmogul-churn, baremetrics-churn, stripe-billing
    So what: which customers not to sell to and where service fails; look by segment, channel, reason and age
    """
    if method == "events":
        gone: Measure = Distinct(window_movements, where=_.kind == "churn")
        return ratio(gone, balance(mrr_changes, "customers", span=UpToOpening()), NO_CUSTOMER)
    if method == "events_with_new":
        opening = balance(mrr_changes, "customers", span=UpToOpening())
        return ratio(Distinct(departures), opening + new_customers, NO_CUSTOMER)
    return ratio(_of_opening(retained_mrr, "lost", None), _of_opening(retained_mrr, "customers", None), NO_CUSTOMER)


@metric(label="Customer retention rate", unit=Unit.RATIO, kind="formula")
def customer_retention_rate(logo_churn_rate: Measure) -> Measure:
    """The share of the opening customers who stayed: one less customer churn.

    Unit: share of opening customers
    Formula: 1 - customer churn rate
    Null: there was no customer on the opening day
    Seed: S2, S4
    Source: chartmogul-churn
    So what: as customer churn, read from the other side
    """
    return 1 - logo_churn_rate


def _kept(
    retained_mrr: Facts, window_movements: Facts, method: str, window_months: int | None, *, capped: bool
) -> Measure:
    """Revenue of the opening customers at the close over what it was."""
    opening = _of_opening(retained_mrr, "opening", window_months)
    if method == "cohort":
        column = "gross" if capped else "net"
        return ratio(_of_opening(retained_mrr, column, window_months), opening, NO_REVENUE)
    lost = total(window_movements, "amount", where=_.kind.isin(["churn", "contraction"]), gap=_.unconverted)
    kept = opening - lost
    if not capped:
        kept = kept + total(window_movements, "amount", where=_.kind == "expansion", gap=_.unconverted)
    return ratio(kept, opening, NO_REVENUE)


@metric(label="Gross revenue retention", unit=Unit.RATIO, kind="window", aliases=("grr", "gdr"))
def gross_revenue_retention(
    retained_mrr: Facts,
    window_movements: Facts,
    *,
    window_months: int = 12,
    method: Literal["cohort", "movements"] = "cohort",
) -> Measure:
    """Recurring revenue kept from the customers of the opening day, each capped at what it paid then.

    One customer's growth never hides another's loss. With method `movements` every churn and contraction on the way
    counts, also one made good later.

    Unit: share of opening MRR
    Formula: sum of min(closing MRR, opening MRR) over the opening customers / their opening MRR
    Null: there was no recurring revenue on the opening day
    Edges: a trailing window whatever the grain; both ends at the rates of the opening day
    Seed: S4 (revenue retention)
    Source: smsb, virtua-ndr, gpb-cohorts
    So what: the floor under the business; if low mend product and onboarding before sales
    Benchmark: median 91 %, quartiles 82 and 95 % (kbcm-2024, relayed); 88 % (benchmarkit-2025, relayed)
    """
    return _kept(retained_mrr, window_movements, method, window_months, capped=True)


@metric(label="Net revenue retention", unit=Unit.RATIO, kind="window", aliases=("nrr", "ndr"))
def net_revenue_retention(
    retained_mrr: Facts,
    window_movements: Facts,
    *,
    window_months: int = 12,
    method: Literal["cohort", "movements"] = "cohort",
) -> Measure:
    """Recurring revenue kept and grown from the customers of the opening day.

    New customers are left out; expansion counts, so it can pass 100 %. A customer who left and is back counts with
    what it pays at the close. With method `movements` expansions are added and returns are not.

    Unit: share of opening MRR
    Formula: closing MRR of the opening customers / their opening MRR
    Null: there was no recurring revenue on the opening day
    Seed: S4, S2 (retained growth)
    Source: smsb, virtua-ndr, chartmogul-cohort, baremetrics-nrr
    So what: would revenue grow without new customers; read beside gross retention, since upsell can mask loss
    Benchmark: median 101 % in 2024 (benchmarkit-2025)
    """
    return _kept(retained_mrr, window_movements, method, window_months, capped=False)


@metric(label="Gross revenue churn", unit=Unit.RATIO, better="down", kind="window", fixed={"window_months": None})
def gross_revenue_churn_rate(
    retained_mrr: Facts,
    mrr_movements: Facts,
    mrr_changes: Facts,
    *,
    method: Literal["cohort", "events"] = "cohort",
) -> Measure:
    """The share of opening recurring revenue lost in the period, without what the same customers gained.

    With method `events` it is churn and contraction of anybody over opening MRR.

    Unit: share of opening MRR
    Formula: 1 - gross revenue retention with the period itself as window
    Null: there was no recurring revenue on the opening day
    Seed: S2, S4
    Source: baremetrics-churn, baremetrics-net
    So what: the speed of the leak; high gross with low net means that growth rests on few
    Benchmark: about 13 % of opening ARR a year (kbcm-2019)
    """
    if method == "events":
        lost = total(mrr_movements, "amount", where=_.kind.isin(["churn", "contraction"]), gap=_.unconverted)
        opening = balance(mrr_changes, "amount", span=UpToOpening(), currency="currency")
        return ratio(lost, opening, NO_REVENUE)
    return 1 - ratio(_of_opening(retained_mrr, "gross", None), _of_opening(retained_mrr, "opening", None), NO_REVENUE)


@metric(label="Net revenue churn", unit=Unit.RATIO, better="down", kind="window", fixed={"window_months": None})
def net_revenue_churn_rate(retained_mrr: Facts) -> Measure:
    """The share of opening recurring revenue lost in the period, less what the same customers gained; may be below 0.

    Unit: share of opening MRR
    Formula: 1 - net revenue retention with the period itself as window
    Null: there was no recurring revenue on the opening day
    Seed: S2, S4
    Source: baremetrics-churn, baremetrics-net
    So what: the speed of the leak after growth of the base
    """
    return 1 - ratio(_of_opening(retained_mrr, "net", None), _of_opening(retained_mrr, "opening", None), NO_REVENUE)


@metric(label="Customer retention by cohort", unit=Unit.RATIO, kind="cohort")
def cohort_customer_retention(cohort_members: Facts, context: Context, *, cohort: str, age: int) -> Measure:
    """The share of a cohort's members who are customers at an age, counted in the cohort's own periods.

    Members are the accounts whose first paying day falls into the cohort; age 0 is the end of the cohort's own period,
    and may be below 1 since some leave before it.

    Unit: share of the members
    Formula: members that are customers on the last day of the cohort period shifted by the age / members
    Null: nobody started in the cohort, or the day lies in the future
    Edges: everybody gone is 0
    Seed: S2
    Source: chartmogul-cohort, baremetrics-quick, gpb-cohorts
    So what: did newer customers stay better; a step at one age names the moment to mend
    """
    if reason := cohort_not_reached(context, cohort, age):
        return Unknown(reason)
    members = count(cohort_members, span=UpToClosing())
    kept = count(cohort_members, where=_.kept == 1, span=UpToClosing())
    return ratio(kept, members, f"nobody started to pay in {cohort}")


@metric(label="Revenue retention by cohort", unit=Unit.RATIO, kind="cohort")
def cohort_revenue_retention(
    cohort_members: Facts,
    context: Context,
    *,
    cohort: str,
    age: int,
    measure: Literal["net", "gross"] = "net",
) -> Measure:
    """A cohort's recurring revenue at an age over that of each member's first day.

    Both at the rates of the first day. With measure `gross` each member is capped at its first day.

    Unit: share of the first day's MRR
    Formula: MRR of the members on the day / MRR of each member on its first day
    Null: nobody started in the cohort, or the day lies in the future
    Seed: S2
    Source: chartmogul-cohort, baremetrics-quick, gpb-cohorts
    So what: did newer customers grow better; compare cohorts at equal age
    """
    if reason := cohort_not_reached(context, cohort, age):
        return Unknown(reason)
    column = "mrr" if measure == "net" else "capped"
    later = total(cohort_members, column, span=UpToClosing(), gap=_.unconverted)
    first = total(cohort_members, "first_mrr", span=UpToClosing(), gap=_.unconverted)
    return ratio(later, first, f"nobody started to pay in {cohort}")


@metric(label="Share of customers surviving", unit=Unit.RATIO, kind="window")
def survival_rate(lifetimes: Facts, *, age: int) -> Measure:
    """The estimated share of customers who are still there after so many months, also of those who are young.

    Kaplan and Meier's estimate over tenures in whole months, from the first paying day to the first churn, or to the
    day after the closing day for those who are still there. Returns are ignored.

    Unit: share of customers
    Formula: product over ages up to the one asked of (1 - departures at the age / tenures of at least that age)
    Null: nobody has been a customer for so long
    Source: kaplan-meier, lifelines
    So what: honest lifetimes when most customers are still there
    """

    def surviving(period: Period, first: Any, left: Any, counts: Any) -> Decimal | None:
        curve = survival_curve(period.closing, first, left, counts)
        return curve[age] if 0 <= age < len(curve) else None

    return Curve(
        lifetimes,
        span=UpToClosing(),
        columns=("day", "left_on"),
        function=surviving,
        emptiness=f"nobody has been a customer for {age} months",
    )
