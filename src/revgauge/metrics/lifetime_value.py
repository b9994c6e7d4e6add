"""Lifetime value: what a customer is worth, by a simple formula, to date, by survival, and by buying behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

from revgauge.catalogue.context import Context
from revgauge.catalogue.exact import PRECISION, ZERO
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Constant, Curve, Measure, Unknown, Worked, accrual, count, ratio
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import Fixed, UpToClosing
from revgauge.derived.costs import Basis, margin_known
from revgauge.derived.lifetimes import pooled, revenue_per_account
from revgauge.derived.retention import cohort_not_reached
from revgauge.methods.survival import survival_curve
from revgauge.model.period import DAY, Period


def _lifetime(monthly_retention: Facts, months: int, cap: Decimal | None) -> Measure:
    """Months that a customer stays: one over the share lost in a month, at most the cap."""
    lost, opening = pooled(monthly_retention, "lost", months), pooled(monthly_retention, "customers", months)
    window = f"the last {months} months" if months != 1 else "the last month"
    if cap is None:
        return ratio(opening, lost, f"no customer was lost in {window}, so there is no evidence of a lifetime")

    def capped(opening: Decimal, lost: Decimal) -> Decimal | None:
        if not opening:
            return None
        return cap if opening >= cap * lost else opening / lost

    return Worked(capped, (opening, lost), f"there was no customer at the beginning of {window}")


@metric(
    label="Lifetime value",
    unit=Unit.MONEY,
    timing="leading",
    kind="formula",
    aliases=("ltv", "cltv", "clv"),
)
def lifetime_value(
    mrr_changes: Facts,
    mrr_earnings: Facts,
    booked_expenses: Facts,
    monthly_retention: Facts,
    *,
    churn_months: int = 12,
    lifetime_cap_months: Decimal | None = None,
    basis: Basis = "margin",
    gross_margin: Decimal | None = None,
) -> Measure:
    """The gross margin that a customer leaves over its whole life, at the present revenue and churn.

    Churn is pooled over the last months: all customers lost over all customers at the beginnings of these months, so
    that a small month weighs little. The margin is the one that is given, else the company's of the last twelve months;
    basis `revenue` leaves it out. `lifetime_cap_months` limits the lifetime, and stands for it where nobody left.

    Unit: money for a customer
    Formula: revenue per account x gross margin / monthly churn
    Null: nobody left and no cap is set; no margin is known; there is no customer
    Edges: months without customers at their beginning add nothing
    Seed: S3, S4 (total revenue from a customer)
    Source: skok, profitwell-compare, finmark
    So what: what a customer may cost; if low churn first (half of it doubles the value), then price
    """
    if churn_months < 1:
        raise ParamError(f"churn_months = {churn_months} is not possible: it takes 1 or more")
    margin = margin_known(mrr_earnings, booked_expenses, basis=basis, gross_margin=gross_margin)
    lifetime = _lifetime(monthly_retention, churn_months, lifetime_cap_months)
    return revenue_per_account(mrr_changes) * margin * lifetime


@metric(label="Lifetime value to date, by cohort", unit=Unit.MONEY, kind="cohort")
def lifetime_value_historic(
    cohort_earnings: Facts,
    cohort_members: Facts,
    context: Context,
    *,
    cohort: str,
    age: int,
    basis: Basis = "margin",
    gross_margin: Decimal | None = None,
) -> Measure:
    """What a member of a cohort has brought up to an age, counted in the cohort's own periods.

    Members are the accounts whose first paying day falls into the cohort; age 0 is the end of the cohort's own period.
    The margin must be given, or basis `revenue`.

    Unit: money for a member
    Formula: recurring revenue of the members from the first day to the last day of the cohort period shifted by the
        age x gross margin / members
    Null: nobody started in the cohort, the age is not reached, or no margin is given
    Source: updata, gpb-cohorts
    So what: money that was really earned; compare cohorts at equal age
    """
    if reason := cohort_not_reached(context, cohort, age):
        return Unknown(reason)
    margin = Decimal(1) if basis == "revenue" else gross_margin
    if margin is None:
        return Unknown("it needs gross_margin, or basis = revenue")
    period = context.calendar.parse(cohort)
    span = Fixed(period.start, context.calendar.shift(period, age).end - DAY)
    earned = accrual(cohort_earnings, "amount", currency="currency", pace="month", span=span)
    return ratio(
        earned * Constant(margin), count(cohort_members, span=UpToClosing()), f"nobody started to pay in {cohort}"
    )


def discounted_months(curve: Sequence[Decimal], horizon: int, yearly: Decimal) -> Decimal:
    """The months that a customer pays, each weighed by the chance that it does and discounted to today."""
    with localcontext(prec=PRECISION):
        monthly = (1 + yearly) ** (Decimal(1) / 12)
        return sum((alive / monthly**month for month, alive in enumerate(curve[:horizon])), ZERO)


@metric(label="Lifetime value, survival-based", unit=Unit.MONEY, timing="leading", kind="formula")
def lifetime_value_survival(
    mrr_changes: Facts,
    mrr_earnings: Facts,
    booked_expenses: Facts,
    lifetimes: Facts,
    *,
    horizon_months: int = 60,
    discount_rate: Decimal = Decimal(0),
    basis: Basis = "margin",
    gross_margin: Decimal | None = None,
) -> Measure:
    """What a customer leaves over its life, with the share that survives each month as it was observed.

    Nothing is extrapolated: the sum ends with the longest tenure that was seen, so it is a floor. `discount_rate` is
    for a year.

    Unit: money for a customer
    Formula: sum over months k below the horizon of survival at k x revenue per account x gross margin /
        (1 + discount rate)^(k / 12)
    Null: nobody ever paid, there is no customer, or no margin is known
    Source: kaplan-meier, fader-hardie-2007
    So what: as lifetime value, where customers are young or their churn changes with age
    """
    if discount_rate <= -1:
        raise ParamError(f"discount_rate = {discount_rate} is not possible: it takes a number above -1")

    def months(period: Period, first: Any, left: Any, counts: Any) -> Decimal:
        curve = survival_curve(period.closing, first, left, counts)
        return discounted_months(curve, horizon_months, discount_rate)

    stayed = Curve(
        lifetimes,
        span=UpToClosing(),
        columns=("day", "left_on"),
        function=months,
        emptiness="nobody has ever been a customer",
    )
    margin = margin_known(mrr_earnings, booked_expenses, basis=basis, gross_margin=gross_margin)
    return revenue_per_account(mrr_changes) * margin * stayed
