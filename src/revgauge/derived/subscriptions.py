"""From subscription periods to recurring revenue: rows, changes of each subscription, days on which accounts change.

Recurring revenue is never laid out by account and month. Each subscription is a chain of rows; where the chain changes
there is a row of changes; an account's revenue after a day is the running total of its changes. So the cost grows with
the rows and not with the periods.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import ibis
from ibis import _

from revgauge.catalogue.engine import beside, day_literal
from revgauge.catalogue.facts import WHOLE_DIMENSIONS, Dimension, of_account, of_subscription, own
from revgauge.catalogue.registry import derived
from revgauge.model.period import DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Level = Literal["account", "parent"]
Netting = Literal["day", "period"]

ACCOUNT_DIMENSIONS: dict[str, Dimension] = {
    **own("account_id"),
    **of_subscription("product", "plan"),
    **of_account("segment", "region", "industry", "channel", "owner_id"),
}
"""Dimensions of recurring revenue: those of the account as it is now; `product` and `plan` filter the rows first, so
that each is treated as a company of its own and they do not add up to the total."""

LEFT_OUT = "subscription_rows_left_out"


def whole_of(context: Context) -> tuple[str, ...]:
    """What is one customer: the account, or the account within a product or plan."""
    return ("account_id", *context.whole_by)


def _company_columns(context: Context) -> dict[str, Any]:
    """The columns that a table must carry so that figures can be cut by product or plan."""
    return {name: _[name] for name in whole_of(context)}


@derived(
    optional=frozenset({"subscriptions"}),
    needs=("subscription_periods.valid_from", "subscription_periods.mrr"),
    row_key=("account_id", "subscription_id"),
    dimensions=ACCOUNT_DIMENSIONS,
)
def subscription_rows(
    subscription_periods: ir.Table, subscriptions: ir.Table, context: Context, *, level: Level = "account"
) -> ir.Table:
    """Every row of subscription periods with the days on which it is live: `[start, stop)`, an empty stop is open.

    Rows of a subscription are taken in the order of start, end (open last) and amount, so that neither the order of
    the file nor a row loaded twice matters; each ends where the next begins, at its own end or at the end of its
    subscription, whichever comes first.
    """
    rows = subscription_periods.filter(_.valid_from <= context.today())
    rows = rows.mutate(
        stated_stop=context.known_day(_.valid_to),
        mrr=ibis.ifelse(_.is_trial.fill_null(False), Decimal(0), _.mrr).cast("decimal(18, 6)"),
        currency=_.currency.fill_null(context.reporting_currency),
    )
    in_order = ibis.window(
        group_by="subscription_id",
        order_by=[
            _.valid_from,
            _.stated_stop.fill_null(day_literal(context.now + DAY)),
            _.mrr,
            _.quantity,
            _.currency,
            _.is_trial,
        ],
    )
    rows = rows.mutate(next_start=_.valid_from.lead().over(in_order))
    terms = subscriptions.select(
        term_id=_.subscription_id,
        product=context.or_unknown(_.product),
        plan=context.or_unknown(_.plan),
        cancel_reason=_.cancel_reason,
        term_stop=context.known_day(_.ended_on),
    )
    rows = beside(rows, terms, {"subscription_id": "term_id"}).select(
        "subscription_id",
        "account_id",
        "currency",
        "mrr",
        "quantity",
        is_trial=_.is_trial.fill_null(False),
        product=context.or_unknown(_.product),
        plan=context.or_unknown(_.plan),
        cancel_reason=_.cancel_reason,
        start=_.valid_from,
        stop=ibis.least(_.stated_stop, _.next_start, _.term_stop),
    )
    return context.resolved(rows, level=level)


@derived(
    kept=False,
    needs=("subscription_periods.valid_from", "subscription_periods.mrr"),
    dimensions=ACCOUNT_DIMENSIONS,
)
def subscription_rows_left_out(
    subscription_periods: ir.Table, subscription_rows: ir.Table, context: Context, *, level: Level = "account"
) -> ir.Table:
    """Rows of subscription periods that count for nothing, and why; those of the future are dated `now`."""
    coming = subscription_periods.filter(_.valid_from > context.today()).select(
        "account_id", "subscription_id", start=_.valid_from, stop=_.valid_to, mrr=_.mrr, day=context.today()
    )
    coming = context.resolved(coming, level=level).mutate(reason=ibis.literal(f"it starts after {context.now}"))
    idle = subscription_rows.filter((_.stop <= _.start).fill_null(False) | _.is_trial | (_.mrr == 0))
    reason = ibis.cases(
        ((_.stop <= _.start).fill_null(False), "it has no day: it ends, or a later row of it begins, as it starts"),
        (_.is_trial, "a trial: what it would pay does not count"),
        else_="nothing is paid for it",
    )
    idle = idle.select("account_id", "subscription_id", "start", "stop", "mrr", day=_.start, reason=reason)
    terms = subscription_rows.select(of="subscription_id", product=_.product, plan=_.plan).distinct()
    both = idle.union(coming)
    joined = both.left_join(terms, both.subscription_id == terms.of).drop("of")
    return joined.mutate(product=context.or_unknown(_.product), plan=context.or_unknown(_.plan))


def _live(rows: ir.Table) -> ir.Table:
    """The rows that have at least one day."""
    return rows.filter(_.stop.isnull() | (_.stop > _.start))


@derived(kept=False, whole_by=WHOLE_DIMENSIONS)
def live_rows(subscription_rows: ir.Table, context: Context, *, gap_days: int = 0) -> ir.Table:
    """The rows that have a day.

    With `gap_days`, an account that paid nothing for at most that many days is treated as if it had kept the rows of
    the day before the gap.
    """
    rows = _live(subscription_rows)
    return rows if gap_days == 0 else _bridged(rows, context, gap_days)


def _bridged(rows: ir.Table, context: Context, gap_days: int) -> ir.Table:
    whole = whole_of(context)
    rows = rows.mutate(row=ibis.row_number().over(order_by=["subscription_id", "start", "mrr"]))
    opened = rows.select(**_company_columns(context), day=_.start, change=_.mrr, kept=ibis.literal(False))
    closed = rows.filter(_.stop.notnull()).select(
        **_company_columns(context), day=_.stop, change=-_.mrr, kept=ibis.literal(False)
    )
    days = opened.union(closed).group_by(*whole, "day").aggregate(change=_.change.sum())
    running = ibis.window(group_by=list(whole), order_by="day", preceding=None, following=0)
    days = days.mutate(after=_.change.sum().over(running))
    days = days.mutate(paying=_.after > 0)
    order = ibis.window(group_by=list(whole), order_by="day")
    days = days.mutate(paying_before=_.paying.lag().over(order).fill_null(False))
    turns = days.filter(_.paying != _.paying_before)
    turns = turns.mutate(back=_.day.lead().over(ibis.window(group_by=list(whole), order_by="day")))
    gaps = turns.filter(~_.paying & _.back.notnull())
    gaps = gaps.filter((_.back.delta(_.day, unit="day")) <= gap_days)
    gaps = gaps.select(**{f"gap_{name}": _[name] for name in whole}, gap_from=_.day, gap_to=_.back)
    met = rows.inner_join(gaps, [rows[name] == gaps[f"gap_{name}"] for name in whole])
    kept = (_.start < _.gap_from) & (_.stop >= _.gap_from) & (_.stop < _.gap_to)
    begun = (_.start >= _.gap_from) & (_.start < _.gap_to)
    moved = met.group_by("row").aggregate(
        later_stop=ibis.ifelse(kept, _.gap_to, None).max(),
        later_start=ibis.ifelse(begun, _.gap_to, None).max(),
    )
    moved = moved.rename(moved_row="row")
    joined = rows.left_join(moved, rows.row == moved.moved_row)
    changed = joined.select(
        **{name: joined[name] for name in rows.columns if name not in ("row", "start", "stop")},
        start=ibis.greatest(joined.start, joined.later_start),
        stop=ibis.ifelse(joined.stop.isnull(), None, ibis.greatest(joined.stop, joined.later_stop)),
    )
    return _live(changed)


@derived(row_key=("account_id", "subscription_id"), per_period=lambda params: params["netting"] == "period")
def subscription_changes(
    live_rows: ir.Table, context: Context, *, netting: Netting = "day", gap_days: int = 0
) -> ir.Table:
    """Where a subscription changes: its state the day before (`old_*`) and from that day on (`new_*`).

    `was_live` and `is_live` say whether it had a row on either side. With `netting = period` the changes within a
    period are one change, from its opening to its closing day, dated on its first day.
    """
    whole = tuple(dict.fromkeys((*whole_of(context), "product")))
    # Rows of a subscription follow each other also where they are of several accounts, so that one that touches the row
    # before it is next to it. To sort by one key costs half as much as by two. A bridge may reach over other accounts.
    alone = gap_days == 0
    order = ibis.window(group_by="subscription_id" if alone else ["subscription_id", "account_id"], order_by="start")
    rows = live_rows.mutate(
        last_account=_.account_id.lag().over(order) if alone else _.account_id,
        next_account=_.account_id.lead().over(order) if alone else _.account_id,
        last_stop=_.stop.lag().over(order),
        last_mrr=_.mrr.lag().over(order),
        last_quantity=_.quantity.lag().over(order),
        last_currency=_.currency.lag().over(order),
        next_start=_.start.lead().over(order),
    )
    follows = (_.last_stop == _.start) & (_.last_account == _.account_id)
    goes_on = (_.next_start == _.stop) & (_.next_account == _.account_id)
    begins = rows.select(
        "subscription_id",
        *whole,
        "cancel_reason",
        day=_.start,
        was_live=follows.fill_null(False),
        is_live=ibis.literal(True),
        old_mrr=ibis.ifelse(follows.fill_null(False), _.last_mrr, Decimal(0)).cast("decimal(18, 6)"),
        old_quantity=ibis.ifelse(follows.fill_null(False), _.last_quantity, None),
        old_currency=ibis.ifelse(follows.fill_null(False), _.last_currency, _.currency),
        new_mrr=_.mrr,
        new_quantity=_.quantity,
        new_currency=_.currency,
    )
    ends = rows.filter(_.stop.notnull() & ~goes_on.fill_null(False)).select(
        "subscription_id",
        *whole,
        "cancel_reason",
        day=_.stop,
        was_live=ibis.literal(True),
        is_live=ibis.literal(False),
        old_mrr=_.mrr,
        old_quantity=_.quantity,
        old_currency=_.currency,
        new_mrr=ibis.literal(Decimal(0)).cast("decimal(18, 6)"),
        new_quantity=ibis.literal(None).cast(rows.quantity.type()),
        new_currency=_.currency,
    )
    changes = begins.union(ends)
    if netting == "day":
        return changes.mutate(rate_day=_.day)
    return _netted(changes, whole, context)


def _netted(changes: ir.Table, whole: tuple[str, ...], context: Context) -> ir.Table:
    """One change for each subscription and period; what happened before the first period keeps its day."""
    spine = context.warehouse.literal_table(
        {"first_day": "date", "last_day": "date"},
        [(period.start, period.closing) for period in context.periods if period.begun],
    )
    placed = changes.left_join(spine, (changes.day >= spine.first_day) & (changes.day <= spine.last_day))
    placed = placed.mutate(
        bucket=ibis.coalesce(_.first_day, _.day), bucket_rate_day=ibis.coalesce(_.last_day, _.day)
    ).drop("first_day", "last_day")
    group = ["subscription_id", *whole, "cancel_reason", "bucket", "bucket_rate_day"]
    side = ibis.window(group_by=group, order_by="day")
    ranked = placed.mutate(
        from_first=ibis.row_number().over(side),
        from_last=ibis.row_number().over(ibis.window(group_by=group, order_by=ibis.desc("day"))),
    )
    old = ranked.filter(_.from_first == 0).select(*group, "was_live", "old_mrr", "old_quantity", "old_currency")
    new = ranked.filter(_.from_last == 0).select(
        **{f"of_{name}": _[name] for name in group},
        is_live=_.is_live,
        new_mrr=_.new_mrr,
        new_quantity=_.new_quantity,
        new_currency=_.new_currency,
    )
    keys = [name for name in group if name != "cancel_reason"]
    joined = old.inner_join(new, [old[name] == new[f"of_{name}"] for name in keys])
    return joined.select(
        "subscription_id",
        *whole,
        "cancel_reason",
        day=_.bucket,
        rate_day=_.bucket_rate_day,
        was_live=_.was_live,
        is_live=_.is_live,
        old_mrr=_.old_mrr,
        old_quantity=_.old_quantity,
        old_currency=_.old_currency,
        new_mrr=_.new_mrr,
        new_quantity=_.new_quantity,
        new_currency=_.new_currency,
    ).filter(_.was_live | _.is_live)
