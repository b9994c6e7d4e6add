"""Movements of recurring revenue: what moved on a day, who left and why, and what an expansion is made of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, as_money, flag, times
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
def mrr_movements(account_days: ir.Table, first_payments: ir.Table, context: Context) -> ir.Table:
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
    if context.holds(account_days.filter(_.mixed)):
        plain = plain.union(_summed_currencies(days.filter(_.mixed), carried))
    moved = plain.filter((_.was | _.is_customer) & ((_.was != _.is_customer) | (_.rise != 0)))
    first = first_payments.rename({f"of_{name}": name for name in whole})
    moved = moved.left_join(first, [moved[name] == first[f"of_{name}"] for name in whole])
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
    lost = lost.select(
        **{f"of_{name}": _[name] for name in (*whole, "day")},
        subscription_id=_.subscription_id,
        reason=_.cancel_reason,
        size=times(_.old_mrr, _.rate.fill_null(Decimal(1))),
    )
    pairs = left.left_join(lost, [left[name] == lost[f"of_{name}"] for name in (*whole, "day")])
    largest = ibis.window(
        group_by=[*whole, "day"],
        order_by=[ibis.desc(_.size.fill_null(Decimal(0))), ibis.desc("subscription_id")],
    )
    ranked = pairs.mutate(place=ibis.row_number().over(largest)).filter(_.place == 0)
    return ranked.select(*whole, "day", "unconverted", "kind", "amount", cancel_reason=context.or_unknown(_.reason))


@derived(
    dimensions=ACCOUNT_DIMENSIONS,
    row_key=("account_id", "day"),
    left_out=LEFT_OUT,
)
def mrr_parts(mrr_movements: ir.Table, subscription_changes: ir.Table, context: Context) -> ir.Table:
    """What an expansion or contraction is made of: upsell, cross-sell, price rise, downsell, price cut.

    The smaller side is absorbed by the larger: with gains above losses each gain counts in the proportion of the net
    gain, and losses vanish; and the reverse. `upsold` and `cross_sold` say that there is such a part, also where its
    amount is not known for want of a rate.
    """
    whole = whole_of(context)
    net = mrr_movements.filter(_.kind.isin(["expansion", "contraction"]))
    moved = subscription_changes.semi_join(net, [(name, name) for name in (*whole, "day")])
    moved = _at_rates(moved, context)
    held = _holdings(subscription_changes, whole)
    keys = dict.fromkeys((*whole, "product", "day"))
    moved = moved.left_join(held, [moved[name] == held[f"held_{name}"] for name in keys])
    parts = _split_change(moved)
    sides = parts.group_by(*whole, "day").aggregate(
        upsell=_.upsell.sum(),
        cross_sell=_.cross_sell.sum(),
        price_rise=_.price_rise.sum(),
        downsell=_.downsell.sum(),
        price_cut=_.price_cut.sum(),
        unconverted=_.unconverted.max(),
    )
    sides = sides.mutate(gain=_.upsell + _.cross_sell + _.price_rise, loss=_.downsell + _.price_cut)
    gains = ((_.gain - _.loss).cast("float64") / _.gain.cast("float64").nullif(0)).fill_null(0)
    losses = ((_.loss - _.gain).cast("float64") / _.loss.cast("float64").nullif(0)).fill_null(0)
    sides = sides.mutate(
        of_gain=ibis.ifelse(_.loss == 0, 1.0, ibis.ifelse(_.gain > _.loss, gains, 0.0)),
        of_loss=ibis.ifelse(_.gain == 0, 1.0, ibis.ifelse(_.loss > _.gain, losses, 0.0)),
    )

    def share(amount: Any, of: Any) -> Any:
        """The counted part of an amount, exact where nothing is absorbed."""
        part = (amount.cast("float64") * of).cast("decimal(38, 10)").cast(MONEY)
        return ibis.ifelse(_.unconverted == 1, None, ibis.ifelse(of == 1.0, amount, part)).cast(MONEY)

    return sides.select(
        *whole,
        "day",
        "unconverted",
        upsold=flag((_.upsell > 0) & (_.of_gain > 0)),
        cross_sold=flag((_.cross_sell > 0) & (_.of_gain > 0)),
        upsell=share(_.upsell, _.of_gain),
        cross_sell=share(_.cross_sell, _.of_gain),
        price_rise=share(_.price_rise, _.of_gain),
        downsell=share(_.downsell, _.of_loss),
        price_cut=share(_.price_cut, _.of_loss),
    )


def _at_rates(moved: ir.Table, context: Context) -> ir.Table:
    """Both sides of each change converted at the day's rates; in their own units where there is none."""
    moved = context.with_rate(moved, "new_currency", "rate_day").rename(new_rate="rate")
    if context.holds(moved.filter(_.old_currency != _.new_currency)):
        moved = context.with_rate(moved, "old_currency", "rate_day").rename(old_rate="rate")
    else:
        moved = moved.mutate(old_rate=_.new_rate)

    def converted(amount: Any, currency: Any, rate: Any) -> Any:
        own = currency == context.reporting_currency
        return ibis.ifelse(own, as_money(amount), times(amount, rate.fill_null(Decimal(1))))

    unknown = (_.old_rate.isnull() & (_.old_mrr != 0)) | (_.new_rate.isnull() & (_.new_mrr != 0))
    same = (_.old_mrr == _.new_mrr) & (_.old_currency == _.new_currency) & _.old_quantity.identical_to(_.new_quantity)
    return moved.mutate(
        unconverted=flag(unknown & ~same),
        old_amount=converted(_.old_mrr, _.old_currency, _.old_rate),
        new_amount=converted(_.new_mrr, _.new_currency, _.new_rate),
    )


def _holdings(subscription_changes: ir.Table, whole: tuple[str, ...]) -> ir.Table:
    """The days before which an account (within a product or plan) had a row of a product, among those of a change.

    Rows that begin or end are counted up and down, so that the days are told without laying rows against each other.
    """
    same = tuple(dict.fromkeys((*whole, "product")))
    turns = subscription_changes.filter(_.was_live != _.is_live)
    counted = turns.group_by(*same, "day").aggregate(change=(flag(_.is_live) - flag(_.was_live)).sum())
    earlier = ibis.window(group_by=list(same), order_by="day", preceding=None, following=0)
    before = counted.mutate(before=_.change.sum().over(earlier) - _.change)
    return before.filter(_.before > 0).select(
        **{f"held_{name}": _[name] for name in (*same, "day")}, held=ibis.literal(True)
    )


def _split_change(moved: ir.Table) -> ir.Table:
    """Each change of a subscription as positive amounts of the five parts."""
    zero = ibis.literal(Decimal(0)).cast(MONEY)
    difference = (_.new_amount - _.old_amount).cast(MONEY)
    discount = (_.old_mrr < 0) | (_.new_mrr < 0)
    measured = _.was_live & _.is_live & (_.old_quantity > 0) & (_.new_quantity > 0)
    scaled = _.old_amount.cast("float64") * _.new_quantity.cast("float64") / _.old_quantity.cast("float64").nullif(0)
    at_old_price = scaled.cast("decimal(38, 10)").cast(MONEY)
    moved = moved.mutate(
        price=ibis.cases(
            (discount, difference),
            (measured.fill_null(False), (_.new_amount - at_old_price).cast(MONEY)),
            else_=zero,
        )
    )
    moved = moved.mutate(volume=(difference - _.price).cast(MONEY))
    crosses = ~_.was_live & ~_.held.fill_null(False)

    def above(amount: Any) -> Any:
        return ibis.greatest(amount, zero)

    return moved.mutate(
        upsell=ibis.ifelse(crosses, zero, above(_.volume)),
        cross_sell=ibis.ifelse(crosses, above(_.volume), zero),
        price_rise=above(_.price),
        downsell=above(-_.volume),
        price_cut=above(-_.price),
    )
