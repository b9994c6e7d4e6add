"""Contracts that came to their end, and whether, how and for how much they were renewed.

The day on which a contract ends decides when its renewal counts, whenever the next one was signed. Everything is on one
row of the contract that was due, so that a chain of renewals is as many rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import as_money, day_literal, flag, times
from revgauge.catalogue.facts import UNKNOWN, of_account, own
from revgauge.catalogue.registry import derived
from revgauge.derived.subscriptions import subscription_rows
from revgauge.model.period import DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

DIMENSIONS = {
    **own("account_id", "auto_renew"),
    **of_account("segment", "region", "industry", "channel", "owner_id"),
}
"""Dimensions of a contract: those of its account as it is now, and whether it renews by itself."""

REASONS = ("auto", "value", "relationship", UNKNOWN)
TIMINGS = ("early", "on_time", "late")
LEFT_OUT = "due_contracts_left_out"


def _annual() -> Any:
    """The value of a contract for a year: x 12 / its term in months, in which a day is a thirtieth of a month."""
    months = (_.ends_on.year() - _.starts_on.year()) * 12 + (_.ends_on.month() - _.starts_on.month())
    thirtieths = (months * 30 + _.ends_on.day() - _.starts_on.day()).cast("float64")
    annual = _.value.cast("float64") * 360.0 / ibis.ifelse(thirtieths > 0, thirtieths, None)
    return annual.cast("decimal(20, 8)")


def _known(contracts: ir.Table, context: Context) -> ir.Table:
    """Contracts that were not signed after `now`, with the day of their signature and what they are worth a year."""
    known = context.resolved(contracts).mutate(signed_on=context.day(_.signed_at))
    known = known.filter((_.signed_on <= context.today()).fill_null(True))
    return known.mutate(
        annual=_annual(),
        currency=_.currency.fill_null(context.reporting_currency),
        auto_renew=ibis.ifelse(_.auto_renew.fill_null(False), "true", "false"),
    )


def _went_on(ended: ir.Table, subscription_periods: ir.Table, subscriptions: ir.Table, context: Context) -> ir.Table:
    """The contracts whose subscription has recurring revenue on the day on which they end."""
    asked = ended.select(ended_id=_.contract_id, ended_of=_.subscription_id, ended_on=_.ends_on)
    needed = subscription_periods.semi_join(asked, subscription_periods.subscription_id == asked.ended_of)
    rows = subscription_rows(needed, subscriptions, context)
    rows = rows.filter(_.mrr > 0).mutate(stop=_.stop.fill_null(day_literal(context.now + DAY)))
    met = asked.inner_join(
        rows, [asked.ended_of == rows.subscription_id, rows.start <= asked.ended_on, rows.stop > asked.ended_on]
    )
    return met.select("ended_id").distinct()


@derived(
    needs=("contracts.ends_on",),
    optional=frozenset({"subscription_periods", "subscriptions"}),
    dimensions=DIMENSIONS,
    row_key=("contract_id", "account_id"),
)
def due_contracts(
    contracts: ir.Table,
    subscription_periods: ir.Table,
    subscriptions: ir.Table,
    context: Context,
    *,
    late_grace_days: int = 30,
    infer_auto: bool = True,
) -> ir.Table:
    """One row for each contract that ended by `now`, on the day of its end, with what became of it.

    `renewed`: the contract that `renewed_by` names was signed in time, or the contract renewed by itself (`by_itself`),
    which is told by its subscription going on. `undecided`: not renewed, and the grace is not over. `late_days` lie
    between the end and the signature, negative before it.

    `old_value`, `new_value` and `kept_value`, the smaller of both, are for a year and at the rates of the day of the
    end; `unvalued` and `new_unvalued` mark where the old or the new one is not known. `unseen` marks a contract that
    may have renewed by itself where no subscription was ever loaded to tell it.
    """
    known = _known(contracts, context)
    ended = known.filter(_.ends_on <= context.today())
    later = known.select(
        next_id=_.contract_id, next_signed_on=_.signed_on, next_annual=_.annual, next_currency=_.currency
    )
    joined = ended.left_join(later, [ended.renewed_by == later.next_id, ended.contract_id != later.next_id])
    rows = joined.mutate(late_days=_.next_signed_on.delta(_.ends_on, unit="day"))
    rows = rows.mutate(followed=(_.late_days <= late_grace_days).fill_null(False), by_itself=ibis.literal(False))
    seen = context.warehouse.loaded("subscription_periods")
    may_go_on = _.renewed_by.isnull() & (_.auto_renew == "true")
    if infer_auto and seen:
        went_on = _went_on(ended.filter(may_go_on), subscription_periods, subscriptions, context)
        rows = rows.left_join(went_on, rows.contract_id == went_on.ended_id)
        rows = rows.mutate(by_itself=may_go_on & _.ended_id.notnull())
    rows = rows.mutate(renewed=_.followed | _.by_itself)
    rows = context.with_rate(rows, "currency", "ends_on").rename(old_rate="rate")
    rows = rows.mutate(next_currency=ibis.ifelse(_.followed, _.next_currency, _.currency))
    rows = context.with_rate(rows, "next_currency", "ends_on")
    old = times(_.annual, _.old_rate, places=8)
    new = ibis.ifelse(_.by_itself, old, ibis.ifelse(_.followed, times(_.next_annual, _.rate, places=8), None))
    rows = rows.mutate(old_value=old, new_value=new, day=_.ends_on)
    return rows.select(
        *("contract_id", "account_id", "subscription_id", "day", "signed_on", "starts_on", "ends_on", "value"),
        *("currency", "auto_renew", "renewed_by", "next_signed_on", "renewed", "by_itself"),
        late_days=ibis.ifelse(_.by_itself, 0, ibis.ifelse(_.followed, _.late_days, None)),
        renewal_reason=ibis.ifelse(_.by_itself, "auto", context.or_unknown(_.renewal_reason)),
        undecided=~_.renewed & (-_.ends_on.delta(context.today(), unit="day") <= late_grace_days),
        unseen=flag(~_.renewed & may_go_on) if infer_auto and not seen else ibis.literal(0).cast("int64"),
        old_value=_.old_value,
        new_value=_.new_value,
        kept_value=as_money(ibis.least(_.old_value, _.new_value)),
        unvalued=flag(_.old_value.isnull()),
        new_unvalued=flag(_.renewed & (_.old_value.isnull() | _.new_value.isnull())),
    )


@derived(kept=False, dimensions=DIMENSIONS, row_key=("contract_id", "account_id", "reason"))
def due_contracts_left_out(contracts: ir.Table, due_contracts: ir.Table, context: Context) -> ir.Table:
    """Contracts that count otherwise than it seems, and why; those that end later are dated `now`."""
    told = ("contract_id", "account_id", "ends_on", "value", "currency", "auto_renew", "renewed_by")
    known = _known(contracts, context)
    coming = known.filter(_.ends_on > context.today())
    coming = coming.select(*told, day=context.today(), reason=ibis.literal(f"it ends after {context.now}"))
    others = contracts.select(next_id=_.contract_id)
    named = due_contracts.filter(_.renewed_by.notnull())
    astray = named.anti_join(others, [named.renewed_by == others.next_id, named.contract_id != others.next_id])
    astray = astray.select(
        *told,
        "day",
        reason="renewed_by names " + _.renewed_by + ", which is no other contract: it counts as not renewed",
    )
    late = named.semi_join(others, named.renewed_by == others.next_id).filter(
        ~_.renewed & (_.renewed_by != _.contract_id)
    )
    late = late.select(*told, "day", reason=_.renewed_by + " was not signed within the grace: it counts as not renewed")
    return ibis.union(coming, astray, late)


def _by_each(rows: ir.Table, dimension: str, values: tuple[str, ...], own_value: Any, context: Context) -> ir.Table:
    """Every row once for each value of a dimension; `matches` says which value is its own."""
    each = context.warehouse.literal_table({dimension: "string"}, [(value,) for value in values])
    crossed = rows.mutate(own_value=own_value).cross_join(each)
    return crossed.mutate(matches=crossed.own_value == crossed[dimension]).drop("own_value")


def _told(due_contracts: ir.Table) -> ir.Table:
    """The contracts of which the shares tell: those renewed, and those that may still be."""
    return due_contracts.filter(_.renewed | _.undecided)


@derived(
    dimensions={**DIMENSIONS, **own("renewal_reason")},
    needs=("contracts.renewal_reason",),
    row_key=("contract_id", "account_id"),
    left_out=LEFT_OUT,
)
def renewals_by_reason(due_contracts: ir.Table, context: Context) -> ir.Table:
    """Renewed contracts once for each reason that there is, `matches` where it is theirs; undecided ones too."""
    reason = ibis.ifelse(_.renewal_reason.isin(REASONS), _.renewal_reason, UNKNOWN)
    rows = _told(due_contracts).mutate(own_reason=reason).drop("renewal_reason")
    return _by_each(rows, "renewal_reason", REASONS, _.own_reason, context).drop("own_reason")


@derived(
    dimensions={**DIMENSIONS, **own("timing")},
    row_key=("contract_id", "account_id"),
    left_out=LEFT_OUT,
)
def renewals_by_timing(due_contracts: ir.Table, context: Context, *, early_days: int = 90) -> ir.Table:
    """Renewed contracts once for each timing that there is, `matches` where it is theirs; undecided ones too."""
    timing = ibis.ifelse(_.late_days > 0, "late", ibis.ifelse(_.late_days < -early_days, "early", "on_time"))
    return _by_each(_told(due_contracts), "timing", TIMINGS, timing, context)
