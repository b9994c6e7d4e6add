"""What an expansion or contraction is made of: how much of it is price, how much volume, and of which product.

Each change of a subscription is split for itself; the parts of a day are added up by account, and the smaller side of
gains and losses is absorbed by the larger.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
from ibis import _

from revgauge.catalogue.engine import MONEY, as_money, beside, flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.subscriptions import ACCOUNT_DIMENSIONS, LEFT_OUT, whole_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

PARTS = ("upsell", "cross_sell", "price_rise", "downsell", "price_cut")
PART = dt.Decimal(18, 6)
"""The type of a part in the account's own currency: that of an amount."""
SENSIBLE = 1e11
"""Above this, what more units would have cost says only that they are other units; the whole change is then price."""


@derived(
    dimensions=ACCOUNT_DIMENSIONS,
    row_key=("account_id", "day"),
    left_out=LEFT_OUT,
)
def mrr_parts(
    account_days: ir.Table,
    mixed_accounts: ir.Table,
    mrr_movements: ir.Table,
    subscription_changes: ir.Table,
    context: Context,
) -> ir.Table:
    """What an expansion or contraction is made of: upsell, cross-sell, price rise, downsell, price cut.

    The smaller side is absorbed by the larger: with gains above losses each gain counts in the proportion of the net
    gain, and losses vanish; and the reverse. `upsold` and `cross_sold` say that there is such a part, also where its
    amount is not known for want of a rate.
    """
    whole = whole_of(context)
    days = account_days.filter(~_.mixed & _.was & _.is_customer & (_.after != _.before))
    days = context.with_rate(days, "currency", "rate_day")
    foreign = _.currency != context.reporting_currency
    plain = _absorbed(days, PART).mutate(unconverted=flag(_.rate.isnull()))
    counted = {part: ibis.ifelse(foreign, times(_[part], _.rate), as_money(_[part])) for part in PARTS}
    columns = [*whole, "day", "unconverted", "upsold", "cross_sold"]
    plain = plain.select(*columns, **counted)
    if not context.holds(mixed_accounts):
        return plain
    net = mrr_movements.filter(_.kind.isin(["expansion", "contraction"]))
    moved = subscription_changes.semi_join(mixed_accounts, "account_id")
    moved = moved.semi_join(net, [(name, name) for name in (*whole, "day")])
    return plain.union(_mixed_parts(moved, subscription_changes, whole, context).select(*columns, *PARTS))


def _mixed_parts(moved: ir.Table, subscription_changes: ir.Table, whole: tuple[str, ...], context: Context) -> ir.Table:
    """The same for accounts with rows in several currencies, where each change is converted before it is split."""
    moved = held_before(_at_rates(moved, context), whole, subscription_changes)
    parts = split(moved, old=_.old_amount, new=_.new_amount, kind=MONEY)
    sides = parts.group_by(*whole, "day").aggregate(
        unconverted=_.unconverted.max(), **{part: _[part].sum().cast(MONEY) for part in PARTS}
    )
    known = {part: ibis.ifelse(_.unconverted == 1, None, _[part]) for part in PARTS}
    return _absorbed(sides, MONEY).mutate(**known)


def _absorbed(sides: ir.Table, kind: dt.Decimal) -> ir.Table:
    """What is left of the parts of a day after the smaller side was absorbed; exact where there is only one side."""
    sides = sides.mutate(gain=_.upsell + _.cross_sell + _.price_rise, loss=_.downsell + _.price_cut)

    def left(part: str, side: str, other: str) -> Any:
        share = (_[side] - _[other]).cast("float64") / _[side].cast("float64").nullif(0)
        counted = _amount(_[part].cast("float64") * share, kind)
        nothing = ibis.literal(Decimal(0)).cast(kind)
        return ibis.cases((_[other] == 0, _[part]), (_[side] > _[other], counted), else_=nothing).cast(kind)

    gains = {part: left(part, "gain", "loss") for part in ("upsell", "cross_sell", "price_rise")}
    losses = {part: left(part, "loss", "gain") for part in ("downsell", "price_cut")}
    remains = _.gain > _.loss
    found = {"upsold": flag((_.upsell > 0) & remains), "cross_sold": flag((_.cross_sell > 0) & remains)}
    return sides.mutate(**found, **gains, **losses)


def _amount(number: Any, kind: dt.Decimal) -> Any:
    """A fraction as an amount, of ten places at most: more are not in it."""
    return number.cast(kind) if kind.scale == PART.scale else number.cast("decimal(38, 10)").cast(kind)


def _at_rates(moved: ir.Table, context: Context) -> ir.Table:
    """Both sides of each change converted at the day's rates; in their own units where there is none."""
    moved = context.with_rate(moved, "new_currency", "rate_day").rename(new_rate="rate")
    moved = context.with_rate(moved, "old_currency", "rate_day").rename(old_rate="rate")

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


def held_before(changes: ir.Table, whole: tuple[str, ...], every: ir.Table | None = None) -> ir.Table:
    """The changes with `held`: whether the account (within a product or plan) had a row of the product before that day.

    `every` holds all changes of the accounts, where `changes` are only some. Rows that begin or end are counted up and
    down, so that the days are told without laying rows against each other. A database that sees that nobody reads
    `held` need not look it up: there is one row for each day.
    """
    same = tuple(dict.fromkeys((*whole, "product")))
    turns = (changes if every is None else every).filter(_.was_live != _.is_live)
    counted = turns.group_by(*same, "day").aggregate(change=(flag(_.is_live) - flag(_.was_live)).sum())
    earlier = ibis.window(group_by=list(same), order_by="day", preceding=None, following=0)
    before = counted.mutate(before=_.change.sum().over(earlier) - _.change).filter(_.before > 0)
    keys = (*same, "day")
    held = before.group_by(*keys).aggregate(rows_held=_.before.max())

    def is_held(_mine: Any, theirs: Any) -> Any:
        return theirs("rows_held").notnull()

    return beside(changes, held, {name: name for name in keys}, {"held": is_held})


def split(changes: ir.Table, *, old: Any, new: Any, kind: dt.Decimal) -> ir.Table:
    """The changes with positive amounts of the five parts, of the amounts before and after in one unit of money.

    What more or fewer units at the old price of one would come to is volume, the rest price; the amounts of a discount
    are price. A subscription that begins is cross-sold if its product is new to the account.
    """
    zero = ibis.literal(Decimal(0)).cast(kind)
    old, new = old.cast(kind), new.cast(kind)
    difference = (new - old).cast(kind)
    discount = (_.old_mrr < 0) | (_.new_mrr < 0)
    measured = _.was_live & _.is_live & (_.old_quantity > 0) & (_.new_quantity > 0)
    scaled = old.cast("float64") * _.new_quantity.cast("float64") / _.old_quantity.cast("float64").nullif(0)
    # The costly one is last, and only worked out where those before do not hold.
    price = ibis.cases(
        (discount, difference),
        (~measured.fill_null(False), zero),
        ((_.old_quantity == _.new_quantity) | (scaled >= SENSIBLE), difference),
        else_=(new - _amount(scaled, kind)).cast(kind),
    )
    changes = changes.mutate(price=price, moved=difference)
    changes = changes.mutate(volume=(_.moved - _.price).cast(kind))
    crosses = ~_.was_live & ~_.held

    def above(amount: Any) -> Any:
        return ibis.greatest(amount, zero)

    return changes.mutate(
        upsell=ibis.ifelse(crosses, zero, above(_.volume)),
        cross_sell=ibis.ifelse(crosses, above(_.volume), zero),
        price_rise=above(_.price),
        downsell=above(-_.volume),
        price_cut=above(-_.price),
    )
