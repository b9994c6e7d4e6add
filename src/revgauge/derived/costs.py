"""Costs as they are booked, and what of revenue they leave over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ibis import _

from revgauge.catalogue.engine import MONEY, flag, times
from revgauge.catalogue.facts import UNKNOWN, Facts, own
from revgauge.catalogue.measures import Constant, Measure, Uncut, Worked, count, ratio, total
from revgauge.catalogue.registry import derived
from revgauge.catalogue.spans import During, Span, TrailingMonths
from revgauge.derived.revenue import recurring_revenue

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Basis = Literal["margin", "revenue"]

COST_OF_GOODS = "cogs"
"""The category of what is spent to serve customers, such as hosting and support."""
PLAIN_PURPOSE = "acquisition"
"""What an expense was for where nothing is said."""

NO_COST_OF_GOODS = "no cost of goods (expenses of category cogs) is booked in the window, so the margin is not known"


@derived(
    dimensions=own("category", "department", "channel", "campaign_id"),
    row_key=("expense_id",),
    needs=("expenses.incurred_on", "expenses.amount"),
)
def booked_expenses(expenses: ir.Table, context: Context) -> ir.Table:
    """Expenses on the day on which they are booked, at the rate of that day; `unconverted` marks one without a rate."""
    rows = expenses.filter(_.incurred_on <= context.today()).select(
        *("expense_id", "department", "channel", "campaign_id", "currency"),
        day=_.incurred_on,
        category=_.category.fill_null(UNKNOWN),
        purpose=_.purpose.fill_null(PLAIN_PURPOSE),
        stated=_.amount,
    )
    rated = context.with_rate(rows, "currency", "day")
    return rated.mutate(
        amount=times(_.stated, _.rate.fill_null(Decimal(0))).cast(MONEY),
        unconverted=flag(_.rate.isnull() & (_.stated != 0)),
    ).drop("rate")


def margin_over(mrr_earnings: Facts, booked_expenses: Facts, span: Span | None = None) -> Measure:
    """What recurring revenue leaves over after the cost of goods, as a share of it."""
    days = span or During()
    earned = recurring_revenue(mrr_earnings, days)
    goods = _.category == COST_OF_GOODS
    spent = total(booked_expenses, "amount", where=goods, span=days, gap=_.unconverted)
    booked = count(booked_expenses, where=goods, span=days)
    known = Worked(lambda cost, rows: cost if rows else None, (spent, booked), NO_COST_OF_GOODS)
    return ratio(earned - known, earned, "there is no recurring revenue to take a margin of")


def margin_known(mrr_earnings: Facts, booked_expenses: Facts, *, basis: Basis, gross_margin: Decimal | None) -> Measure:
    """The gross margin by which a value of customers is multiplied: 1 where revenue itself is asked for.

    The margin that is given; else that of the whole company over the twelve months up to the closing day, from the
    books; null where no cost of goods is booked.
    """
    if basis == "revenue":
        return Constant(Decimal(1))
    if gross_margin is not None:
        return Constant(gross_margin)
    company = replace(mrr_earnings, scope=replace(mrr_earnings.scope, whole_by=()))
    return Uncut(margin_over(company, booked_expenses, TrailingMonths(12)))
