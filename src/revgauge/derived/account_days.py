"""Days on which accounts change: what each paid before and after, and whether it was and is a customer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.parts import PART, PARTS, held_before, split
from revgauge.derived.subscriptions import ACCOUNT_DIMENSIONS, LEFT_OUT, Level, whole_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

QUANTITY = "decimal(18, 8)"
"""The type of a number of units."""


@derived(needs=("subscription_periods.valid_from",))
def mixed_accounts(subscription_periods: ir.Table, context: Context, *, level: Level = "account") -> ir.Table:
    """The accounts with rows in several currencies, for which a sum takes the rates of its day."""
    rows = subscription_periods.filter(_.valid_from <= context.today())
    rows = rows.select("account_id", currency=_.currency.fill_null(context.reporting_currency))
    rows = context.resolved(rows, level=level)
    held = rows.group_by("account_id").aggregate(least=_.currency.min(), most=_.currency.max())
    return held.filter(_.least != _.most).select("account_id")


@derived(needs=("subscription_periods.valid_from",), kept=False)
def unmeasured_rows(subscription_periods: ir.Table) -> ir.Table:
    """The rows that do not say for how many units they are."""
    return subscription_periods.filter(_.quantity.isnull()).select("subscription_id")


@derived(row_key=("account_id",))
def account_days(
    subscription_changes: ir.Table, mixed_accounts: ir.Table, unmeasured_rows: ir.Table, context: Context
) -> ir.Table:
    """The days on which the rows of an account change, one row for each currency it has rows in.

    `before` and `after` are its recurring revenue in that currency, `was` and `is_customer` whether the account pays
    anything in all. An account whose sum is at or below zero is no customer and counts nothing. `upsell` and the other
    parts add up what its subscriptions gained and lost that day, in that currency; they are empty where rows are in
    several.
    """
    whole = whole_of(context)
    measured = not context.holds(unmeasured_rows)
    if not context.holds(mixed_accounts):
        return _single_currency_days(subscription_changes, whole, measured=measured)
    plain = subscription_changes.anti_join(mixed_accounts, "account_id")
    plain = _single_currency_days(plain, whole, measured=measured)
    mixed = subscription_changes.semi_join(mixed_accounts, "account_id")
    return plain.union(_mixed_currency_days(_net_changes(mixed, whole), whole, context))


def _units() -> dict[str, Any]:
    """What a change adds to the units of an account, and to its rows without a number of units."""
    return {
        "quantity": _.new_quantity.fill_null(0) - _.old_quantity.fill_null(0),
        "unmeasured": flag(_.is_live & _.new_quantity.isnull()) - flag(_.was_live & _.old_quantity.isnull()),
    }


def _single_currency_days(changes: ir.Table, whole: tuple[str, ...], *, measured: bool) -> ir.Table:
    """The days of accounts with rows in one currency; `measured` says that every row has a number of units."""
    changes = split(held_before(changes, whole), old=_.old_mrr, new=_.new_mrr, kind=PART)
    changes = changes.mutate(currency=_.new_currency, change=_.new_mrr - _.old_mrr, **_units())
    running: dict[str, Any] = {"change": PART, "quantity": QUANTITY, "unmeasured": "int64"}
    if measured:  # a running total of nothing takes as long as any other
        del running["unmeasured"]
    days = _by_day(changes, whole, running).filter(ibis.or_(*(_[name] != 0 for name in running)))
    if measured:
        days = days.mutate(unmeasured=ibis.literal(0, "int64"), unmeasured_after=ibis.literal(0, "int64"))
    days = days.mutate(after=_.change_after, before=(_.change_after - _.change).cast("decimal(18, 6)"))
    days = days.mutate(was=_.before > 0, is_customer=_.after > 0)
    price_cut = (_.upsell + _.cross_sell + _.price_rise - _.downsell - _.change).cast(PART)  # it was not added up
    days = days.mutate(kept_before=_.was, kept_after=_.is_customer, price_cut=price_cut)
    return _counted(days, whole, first=ibis.literal(True), foreign=ibis.literal(False))


def _by_day(changes: ir.Table, whole: tuple[str, ...], running: Mapping[str, Any]) -> ir.Table:
    """The changes of a day together, with running totals of some as `<name>_after`; `running` has the types of those.

    A running total takes in the whole of a day, so it can be told before the day is added up. Only the few days are
    added up on which several rows change: to group all of them takes as long as everything else here.
    """
    through = ibis.window(group_by=list(whole), order_by="day", range=(None, 0))
    in_turn = ibis.window(group_by=list(whole), order_by="day")
    # Gains less losses are the change, so one of the parts need not be added up.
    kinds = {**{part: PART for part in PARTS if part != "price_cut"}, **running}
    rows = changes.select(*whole, "currency", "day", "rate_day", **{name: _[name].cast(kinds[name]) for name in kinds})
    after = {f"{name}_after": _[name].sum().over(through).cast(kind) for name, kind in running.items()}
    rows = rows.mutate(last_day=_.day.lag().over(in_turn), next_day=_.day.lead().over(in_turn), **after)
    shared = ((_.last_day == _.day) | (_.next_day == _.day)).fill_null(False)
    crowded = rows.filter(shared).group_by(*whole, "currency", "day")
    added = crowded.aggregate(
        rate_day=_.rate_day.max(),  # there is one for each day
        **{name: _[name].sum().cast(kind) for name, kind in kinds.items()},
        **{name: _[name].max() for name in after},
    )
    columns = [*whole, "currency", "day", "rate_day", *kinds, *after]
    return rows.filter(~shared).select(*columns).union(added.select(*columns))


def _net_changes(changes: ir.Table, whole: tuple[str, ...]) -> ir.Table:
    """Changes by account, currency and day, netted."""
    same = _.old_currency == _.new_currency
    into = changes.select(
        *whole,
        "day",
        "rate_day",
        currency=_.new_currency,
        change=(_.new_mrr - ibis.ifelse(same, _.old_mrr, Decimal(0))).cast("decimal(18, 6)"),
        negative=flag(_.new_mrr < 0) - ibis.ifelse(same, flag(_.old_mrr < 0), 0),
        **_units(),
    )
    out_of = changes.filter(_.old_currency != _.new_currency).select(
        *whole,
        "day",
        "rate_day",
        currency=_.old_currency,
        change=(-_.old_mrr).cast("decimal(18, 6)"),
        negative=-flag(_.old_mrr < 0),
        quantity=ibis.literal(None).cast(into.quantity.type()),
        unmeasured=ibis.literal(0).cast("int64"),
    )
    netted = (
        into.union(out_of)
        .group_by(*whole, "currency", "day", "rate_day")
        .aggregate(
            change=_.change.sum().cast("decimal(18, 6)"),
            negative=_.negative.sum(),
            quantity=_.quantity.sum().fill_null(0).cast(QUANTITY),
            unmeasured=_.unmeasured.sum(),
        )
    )
    return netted.filter((_.change != 0) | (_.quantity != 0) | (_.unmeasured != 0) | (_.negative != 0))


def _mixed_currency_days(netted: ir.Table, whole: tuple[str, ...], context: Context) -> ir.Table:
    """The same for accounts with rows in several currencies, whose sum needs the rates of each day."""
    days = netted.select(*whole, "day", "rate_day").distinct()
    held = netted.select(**{f"of_{name}": _[name] for name in whole}, currency=_.currency).distinct()
    dense = days.inner_join(held, [days[name] == held[f"of_{name}"] for name in whole])
    dense = dense.select(*whole, "day", "rate_day", "currency")
    keys = [*whole, "currency", "day", "rate_day"]
    amounts = netted.rename({f"of_{name}": name for name in keys})
    filled = dense.left_join(amounts, [dense[name] == amounts[f"of_{name}"] for name in keys])
    zero = ibis.literal(Decimal(0)).cast("decimal(18, 6)")
    filled = filled.select(
        *keys,
        change=ibis.coalesce(_.change, zero),
        negative=_.negative.fill_null(0),
        quantity=ibis.coalesce(_.quantity, ibis.literal(Decimal(0)).cast(QUANTITY)),
        unmeasured=_.unmeasured.fill_null(0),
    )
    running = ibis.window(group_by=[*whole, "currency"], order_by="day", preceding=None, following=0)
    states = filled.mutate(
        after=_.change.sum().over(running).cast("decimal(18, 6)"),
        negative_after=_.negative.sum().over(running),
        quantity_of=_.quantity.sum().over(running),
        unmeasured_of=_.unmeasured.sum().over(running),
    )
    states = states.mutate(
        before=(_.after - _.change).cast("decimal(18, 6)"), negative_before=_.negative_after - _.negative
    )
    states = context.with_rate(states, "currency", "rate_day")
    together = ibis.window(group_by=[*whole, "day"])

    def known(amount: str) -> Any:
        """Whether every amount has a rate."""
        return ((_[amount] == 0) | _.rate.notnull()).all().over(together)

    def pays(amount: str, negatives: str) -> Any:
        """Above zero at the rates of the day; where a rate is missing, any amount without a negative row."""
        sum_of = times(_[amount], _.rate.fill_null(Decimal(0))).sum().over(together)
        return ibis.ifelse(
            known(amount),
            sum_of > 0,
            (_[negatives].sum().over(together) == 0) & (_[amount].max().over(together) > 0),
        )

    states = states.mutate(
        was=pays("before", "negative_before"),
        is_customer=pays("after", "negative_after"),
        known_before=known("before"),
        known_after=known("after"),
        quantity_after=_.quantity_of.sum().over(together),
        unmeasured_after=_.unmeasured_of.sum().over(together),
        quantity=_.quantity.sum().over(together),
        unmeasured=_.unmeasured.sum().over(together),
        place=ibis.row_number().over(ibis.window(group_by=[*whole, "day"], order_by="currency")),
    )
    # Of who has a negative row and one without a rate nobody knows what it pays: its amounts stay, and make sums null.
    kept = {"kept_before": _.was | ~_.known_before, "kept_after": _.is_customer | ~_.known_after}
    unsplit = {part: ibis.literal(None).cast(PART) for part in PARTS}
    return _counted(states.mutate(**kept, **unsplit), whole, first=_.place == 0, foreign=ibis.literal(True))


def _counted(days: ir.Table, whole: tuple[str, ...], *, first: Any, foreign: Any) -> ir.Table:
    zero = ibis.literal(Decimal(0)).cast("decimal(18, 6)")
    return days.select(
        *whole,
        "currency",
        "day",
        "rate_day",
        "was",
        "is_customer",
        "unmeasured",
        *PARTS,
        quantity=_.quantity.cast(QUANTITY),
        quantity_after=_.quantity_after.cast(QUANTITY),
        unmeasured_after=_.unmeasured_after.cast("int64"),
        first=first,
        mixed=foreign,
        before=ibis.ifelse(_.kept_before, _.before, zero),
        after=ibis.ifelse(_.kept_after, _.after, zero),
    )


@derived(dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",), kept=False, left_out=LEFT_OUT, stays="live_rows")
def mrr_changes(account_days: ir.Table, context: Context) -> ir.Table:
    """Changes of what counts, to be added up to a state: recurring revenue by currency, customers, units.

    `unmeasured` counts rows of customers without a quantity: while there is one, units cannot be told.
    """
    no_units = ibis.literal(Decimal(0)).cast(QUANTITY)
    once = flag(_.first)

    def counted(after: Any, change: Any, none: Any) -> Any:
        """What a state counts while its account is a customer, less what it counted the day before."""
        return ibis.ifelse(_.is_customer, after, none) - ibis.ifelse(_.was, after - change, none)

    return account_days.select(
        *whole_of(context),
        "currency",
        "day",
        amount=_.after - _.before,
        customers=(flag(_.is_customer) - flag(_.was)) * once,
        quantity=ibis.ifelse(_.first, counted(_.quantity_after, _.quantity, no_units), no_units),
        unmeasured=counted(_.unmeasured_after, _.unmeasured, 0) * once,
    )
