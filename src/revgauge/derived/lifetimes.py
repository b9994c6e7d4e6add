"""What the lifetime of customers is read from: departures month by month, and what cohorts brought."""

from __future__ import annotations

from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING

from ibis import _

from revgauge.catalogue.engine import day_literal
from revgauge.catalogue.facts import Facts, Scope
from revgauge.catalogue.measures import At, Measure, balance, ratio
from revgauge.catalogue.registry import derived
from revgauge.derived.retention import retained_mrr
from revgauge.derived.subscriptions import ACCOUNT_DIMENSIONS, LEFT_OUT, whole_of
from revgauge.model.period import DAY, Period, add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context


def month_ending(back: int, period: Period) -> Period:
    """The last day of the month so many months before the one that ends on the closing day."""
    end = add_months(period.closing + DAY, -back)
    return replace(period, start=end - DAY, end=end, grain="day", label=f"month to {end - DAY}")


@derived(per_period=True, dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",), left_out=LEFT_OUT)
def monthly_retention(
    account_days: ir.Table, mixed_accounts: ir.Table, context: Context, *, churn_months: int = 12
) -> ir.Table:
    """What became in a month of the customers before it, for each of the last months up to every closing day.

    As changes, like the table of retained revenue, with a day for each month: its last.
    """
    begun = [period for period in context.periods if period.begun]
    months = {month_ending(back, period) for period in begun for back in range(churn_months)}
    ends = {month.start: month for month in months}
    looked = context.within(Scope(context.whole_by, tuple(ends[day] for day in sorted(ends))))
    table: ir.Table = retained_mrr(account_days, mixed_accounts, looked, window_months=1)
    return table.select(*whole_of(context), "day", "customers", "lost")


def pooled(monthly_retention: Facts, column: str, months: int) -> Measure:
    """The customers of the openings of the last months, or how many of them were lost, added up."""
    state = balance(monthly_retention, column)
    return reduce(add, (At(state, partial(month_ending, back)) for back in range(months)))


def revenue_per_account(mrr_changes: Facts) -> Measure:
    """Recurring revenue for each paying customer, on the closing day."""
    paying = balance(mrr_changes, "customers")
    return ratio(balance(mrr_changes, "amount", currency="currency"), paying, "there is no paying customer")


@derived(kept=False, dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",))
def cohort_earnings(mrr_earnings: ir.Table, first_payments: ir.Table, context: Context, *, cohort: str) -> ir.Table:
    """Changes of the recurring revenue of the members of a cohort, of which each day earns its part of the month."""
    period = context.calendar.parse(cohort)
    members = first_payments.filter(
        (_.first_paid >= day_literal(period.start)) & (_.first_paid < day_literal(period.end))
    )
    return mrr_earnings.semi_join(members, [(name, name) for name in whole_of(context)])
