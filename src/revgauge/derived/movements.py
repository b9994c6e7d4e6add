"""Movements of recurring revenue: what moved on a day, who left and why."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, as_money, beside, flag, times
from revgauge.catalogue.facts import own
from revgauge.catalogue.registry import derived
from revgauge.derived.subscriptions import ACCOUNT_DIMENSIONS, LEFT_OUT, whole_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context


@derived(
    dimensions=ACCOUNT_DIMENSIONS,
    row_key=("account_id", "day", "kind"),
    left_out=LEFT_OUT,
)
def mrr_movements(
    account_days: ir.Table, first_payments: ir.Table, mixed_accounts: ir.Table, context: Context
) -> ir.Table:
    """One row for each day on which an account's recurring revenue moved: its kind and amount at that day's rates.

    Kinds: new (from nothing, never a paying day before), reactivation (from nothing otherwise), expansion,
    contraction, churn (to nothing). `unconverted` marks rows of which a rate is missing; their amount is empty. Where a
    customer with rows in several currencies stays and a row that changes has no rate, nobody can say whether it is an
    expansion or a contraction: it is one unknown amount of each.
    """
    whole = whole_of(context)
    days = context.with_rate(account_days, "currency", "rate_day")
    foreign = _.currency != context.reporting_currency
    days = days.mutate(
        unconverted=flag(_.rate.isnull() & ((_.before != 0) | (_.after != 0))),
        from_amount=ibis.ifelse(foreign, times(_.before, _.rate), as_money(_.before)),
        to_amount=ibis.ifelse(foreign, times(_.after, _.rate), as_money(_.after)),
        rise=_.after - _.before,
    )
    carried = [*whole, "day", "rate_day", "was", "is_customer"]
    plain = days.filter(~_.mixed).select(*carried, "unconverted", "from_amount", "to_amount", "rise")
    if context.holds(mixed_accounts):
        plain = plain.union(_summed_currencies(days.filter(_.mixed), carried))
    moved = plain.filter((_.was | _.is_customer) & ((_.was != _.is_customer) | (_.rise != 0)))
    moved = beside(moved, first_payments, {name: name for name in whole})
    kind = ibis.cases(
        (~_.was & (_.day == _.first_paid), "new"),
        (~_.was, "reactivation"),
        (~_.is_customer, "churn"),
        (_.rise > 0, "expansion"),
        else_="contraction",
    )
    amount = ibis.cases(
        (~_.was, _.to_amount),
        (~_.is_customer, _.from_amount),
        (_.rise > 0, _.to_amount - _.from_amount),
        else_=_.from_amount - _.to_amount,
    )
    return moved.select(
        *whole,
        "day",
        "rate_day",
        "unconverted",
        kind=kind,
        amount=ibis.ifelse(_.unconverted == 1, None, amount).cast(MONEY),
    )


def _summed_currencies(days: ir.Table, carried: list[str]) -> ir.Table:
    """Days of accounts with rows in several currencies, summed at the rates of the day.

    What a customer who stays holds unchanged cancels out, so that only the rows that change need a rate. Without one
    the day has two rows, one that rises and one that falls.
    """
    staying = _.was & _.is_customer
    lacking = ibis.ifelse(staying, flag(_.rate.isnull() & (_.rise != 0)), _.unconverted)
    summed = (
        days.mutate(lacking=lacking)
        .group_by(*carried)
        .aggregate(
            unconverted=_.lacking.max(),
            from_amount=_.from_amount.sum().cast(MONEY),
            to_amount=_.to_amount.sum().cast(MONEY),
        )
    )
    summed = summed.mutate(rise=(_.to_amount - _.from_amount).cast(days.rise.type()))
    unknown = (_.unconverted == 1) & staying
    one = ibis.literal(Decimal(1)).cast(days.rise.type())
    first = summed.mutate(rise=ibis.ifelse(unknown, one, _.rise))
    second = summed.filter(unknown).mutate(rise=-one)
    columns = [*carried, "unconverted", "from_amount", "to_amount"]
    return ibis.union(*(rows.select(*columns, rise=_.rise.cast(days.rise.type())) for rows in (first, second)))


@derived(
    dimensions={**ACCOUNT_DIMENSIONS, **own("cancel_reason")},
    row_key=("account_id", "day", "cancel_reason"),
    left_out=LEFT_OUT,
)
def departures(mrr_movements: ir.Table, subscription_changes: ir.Table, context: Context) -> ir.Table:
    """Churn movements with the reason given for the largest row that is paid no more (between equals the later key)."""
    whole = whole_of(context)
    left = mrr_movements.filter(_.kind == "churn")
    lost = subscription_changes.filter((_.old_mrr > 0) & (_.new_mrr <= 0))
    lost = context.with_rate(lost, "old_currency", "rate_day")
    keys = (*whole, "day")
    lost = lost.select(
        *keys, "subscription_id", reason=_.cancel_reason, size=times(_.old_mrr, _.rate.fill_null(Decimal(1)))
    )
    pairs = beside(left, lost, {name: name for name in keys})
    largest = ibis.window(
        group_by=[*whole, "day"],
        order_by=[ibis.desc(_.size.fill_null(Decimal(0))), ibis.desc("subscription_id")],
    )
    ranked = pairs.mutate(place=ibis.row_number().over(largest)).filter(_.place == 0)
    return ranked.select(*whole, "day", "unconverted", "kind", "amount", cancel_reason=context.or_unknown(_.reason))
