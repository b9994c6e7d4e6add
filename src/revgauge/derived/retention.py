"""What became of the customers of an opening day: their revenue and number at the close, for every period at once.

An account adds to the sums of a period what it paid on the opening day and what it pays on the closing day. Both are
running totals of its changes, the first shifted by the window, so what it adds changes only where one of the two does:
only those changes are listed, and a balance of them is the sum of a period.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, as_money, beside, day_literal, flag, times
from revgauge.catalogue.facts import own
from revgauge.catalogue.registry import derived
from revgauge.derived.subscriptions import ACCOUNT_DIMENSIONS, LEFT_OUT, whole_of
from revgauge.model.period import DAY, Period, PeriodError, add_months

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Fx = Literal["constant", "spot"]


def opening_day(period: Period, window_months: int | None) -> date:
    """The day on which the customers of a window are counted: by default the day before the period."""
    if window_months is None:
        return period.opening
    return add_months(period.closing + DAY, -window_months) - DAY


def _begun(context: Context) -> list[Period]:
    return [period for period in context.periods if period.begun]


class _Span(NamedTuple):
    """The two ends of a window, and the day from which its period counts."""

    opening: date
    closing: date
    counts_from: date


def _placed(table: ir.Table, ends: Sequence[tuple[date, date]], context: Context) -> ir.Table:
    """The rows dated on the day that belongs to the first end on or after their own; none if all are before.

    `ends` are in order. A small calendar of single days is joined, which is a plain lookup on every engine.
    """
    rows: list[tuple[date, date]] = []
    for place, (last, counts_from) in enumerate(ends):
        first = ends[place - 1][0] + DAY if place else last
        rows += [(first + timedelta(days=number), counts_from) for number in range((last - first).days + 1)]
    calendar = context.warehouse.literal_table({"calendar_day": "date", "counts_from": "date"}, rows)

    def placed(mine: Any, theirs: Any) -> Any:
        if not ends:
            return theirs("counts_from")
        early = ibis.ifelse(mine("day") <= day_literal(ends[0][0]), day_literal(ends[0][1]), None)
        return ibis.coalesce(early, theirs("counts_from"))

    return beside(table, calendar, {"day": "calendar_day"}, {"day": placed}).filter(_.day.notnull())


@derived(per_period=True, dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",), left_out=LEFT_OUT)
def retained_mrr(
    account_days: ir.Table,
    mixed_accounts: ir.Table,
    context: Context,
    *,
    window_months: int | None = 12,
    fx: Fx = "constant",
) -> ir.Table:
    """Changes of what the opening customers of each period add to its sums.

    `opening`, `net` and `gross` are revenue by currency, `customers` those of the opening day and `lost` how many of
    them are gone at the close.

    `gross` is capped for each account at what it paid on the opening day. Amounts are in the account's currency, to be
    converted at the rates of the opening day, so that customers are measured and not currencies. `day` is the first day
    of the period from which a change counts.
    """
    whole = whole_of(context)
    periods = _begun(context)
    dense_accounts = _needing_rates(account_days, mixed_accounts, context, fx)
    days = account_days
    if dense_accounts is not None:
        days = days.anti_join(dense_accounts, "account_id")
    spans = [_Span(opening_day(period, window_months), period.closing, period.start) for period in periods]
    if all(span.closing == later.opening for span, later in pairwise(spans)):
        stepped = _netted(days, spans, whole, context)
    else:
        stepped = _steps(_both_ends(days, spans, whole, context), whole)
    if dense_accounts is None:
        return stepped
    exact = {name: as_money(_[name]) for name in ("opening", "net", "gross")}
    held = account_days.semi_join(dense_accounts, "account_id")
    return stepped.mutate(**exact).union(_dense(held, context, window_months, fx, whole))


def _netted(days: ir.Table, spans: Sequence[_Span], whole: tuple[str, ...], context: Context) -> ir.Table:
    """What accounts add to the sums, where each window opens as the one before it closes.

    Then an account matters only in the windows in which it changed: what it adds to such a one, and from the next one
    on, follows from its first state there and its last. What came before the first window is a window of its own.
    """
    rows = [
        (span.opening + timedelta(days=number), span.counts_from, later.counts_from if later else None)
        for span, later in zip_longest(spans, spans[1:])
        for number in range(1, (span.closing - span.opening).days + 1)
    ]
    kinds = {"calendar_day": "date", "inside": "date", "after_it": "date"}
    calendar = context.warehouse.literal_table(kinds, rows)
    placed = beside(days, calendar, {"day": "calendar_day"})
    if spans:
        early, first = placed.day <= day_literal(spans[0].opening), day_literal(spans[0].counts_from)
        placed = placed.mutate(after_it=ibis.ifelse(early, first, placed.after_it))
    ends = placed.group_by(*whole, "currency", "inside", "after_it").aggregate(
        opened=_.before.argmin(_.day), closed=_.after.argmax(_.day)
    )
    ends = ends.filter(_.opened != _.closed)
    kind = "decimal(18, 6)"
    nothing, none = ibis.literal(Decimal(0)).cast(kind), ibis.literal(0).cast("int64")
    member, gone = _.opened > 0, flag((_.opened > 0) & (_.closed <= 0))
    capped = ibis.least(_.opened, _.closed)
    inside = ends.filter(_.inside.notnull() & member).select(
        *whole,
        "currency",
        day=_.inside,
        opening=nothing,
        net=(_.closed - _.opened).cast(kind),
        gross=(capped - _.opened).cast(kind),
        customers=none,
        lost=gone,
    )
    after = ends.filter(_.after_it.notnull()).select(
        *whole,
        "currency",
        day=_.after_it,
        opening=(_.closed - _.opened).cast(kind),
        net=ibis.ifelse(member, nothing, _.closed),
        gross=(_.closed - ibis.ifelse(member, capped, nothing)).cast(kind),
        customers=flag(_.closed > 0) - flag(member),
        lost=-gone,
    )
    return inside.union(after)


def _both_ends(days: ir.Table, spans: Sequence[_Span], whole: tuple[str, ...], context: Context) -> ir.Table:
    """The changes of accounts, each once where it counts for an opening day and once where it does for a close."""
    changes = days.select(*whole, "currency", "day", change=(_.after - _.before).cast("decimal(18, 6)"))
    nothing = ibis.literal(Decimal(0)).cast("decimal(18, 6)")
    at_close = _placed(changes, [(span.closing, span.counts_from) for span in spans], context)
    at_open = _placed(changes, [(span.opening, span.counts_from) for span in spans], context)
    return at_close.select(*whole, "currency", "day", then=nothing, later=_.change).union(
        at_open.select(*whole, "currency", "day", then=_.change, later=nothing)
    )


def _steps(ends: ir.Table, whole: tuple[str, ...]) -> ir.Table:
    """From changes of both ends of an account to changes of what it adds to the sums.

    An account is a customer where it pays anything. The state before a row is the state after it less its change, so
    one running total serves both; within a day the states in between cancel out of the sum, so their order is free.
    """
    running = ibis.window(group_by=list(whole), order_by="day", preceding=None, following=0)
    kind = "decimal(18, 6)"
    states = ends.mutate(
        then_after=_.then.sum().over(running).cast(kind), later_after=_.later.sum().over(running).cast(kind)
    )
    nothing = ibis.literal(Decimal(0)).cast(kind)

    def added(then: Any, later: Any) -> dict[str, Any]:
        member = then > 0
        return {
            "net": ibis.ifelse(member, later, nothing),
            "gross": ibis.ifelse(member, ibis.least(then, later), nothing),
            "customers": flag(member),
            "lost": flag(member & (later <= 0)),
        }

    after = added(_.then_after, _.later_after)
    before = added((_.then_after - _.then).cast(kind), (_.later_after - _.later).cast(kind))
    changes = {name: after[name] - before[name] for name in after} | {"opening": _.then}
    # A row that adds nothing stays: it tells which accounts there are.
    return states.select(*whole, "currency", "day", **changes)


def _needing_rates(account_days: ir.Table, mixed_accounts: ir.Table, context: Context, fx: Fx) -> ir.Table | None:
    """Accounts whose two ends can be compared only at rates of each period.

    Those with rows in several currencies; at spot rates all with a foreign one.
    """
    if fx == "constant":
        return mixed_accounts if context.holds(mixed_accounts) else None
    found = account_days.filter(_.currency != context.reporting_currency).select("account_id").distinct()
    return context.warehouse.keep("accounts_needing_rates", found) if context.holds(found) else None


def _dense(held: ir.Table, context: Context, window_months: int | None, fx: Fx, whole: tuple[str, ...]) -> ir.Table:
    """The same for accounts that need rates: their state at both ends of each period, converted."""
    order = ibis.window(group_by=[*whole, "currency"], order_by="day")
    states = held.mutate(until=_.day.lead().over(order))
    states = states.select(*whole, "currency", "after", "is_customer", since=_.day, until=_.until)
    periods = _begun(context)
    ends: list[ir.Table] = []
    for side in ("open", "close"):
        spine = context.warehouse.literal_table(
            {"period_start": "date", "next_start": "date", "on_day": "date", "rate_on": "date"},
            [
                (
                    period.start,
                    period.end,
                    opening_day(period, window_months) if side == "open" else period.closing,
                    period.closing if side == "close" and fx == "spot" else opening_day(period, window_months),
                )
                for period in periods
            ],
        )
        met = states.inner_join(
            spine, [states.since <= spine.on_day, states.until.isnull() | (states.until > spine.on_day)]
        )
        met = context.with_rate(met, "currency", "rate_on")
        summed = met.group_by(*whole, "period_start", "next_start").aggregate(
            amount=times(_.after, _.rate.fill_null(Decimal(0))).sum().cast(MONEY),
            pays=flag(_.is_customer).max(),
            unrated=ibis.ifelse(_.rate.isnull() & (_.after != 0), _.currency, None).max(),
        )
        zero, none = ibis.literal(Decimal(0)).cast(MONEY), ibis.literal(0).cast("int64")
        opened = side == "open"
        ends.append(
            summed.select(
                *whole,
                "period_start",
                "next_start",
                "unrated",
                then=_.amount if opened else zero,
                later=zero if opened else _.amount,
                was=_.pays if opened else none,
                stays=none if opened else _.pays,
            )
        )
    both = (
        ends[0]
        .union(ends[1])
        .group_by(*whole, "period_start", "next_start")
        .aggregate(
            then=_.then.sum().cast(MONEY),
            later=_.later.sum().cast(MONEY),
            was=_.was.max(),
            stays=_.stays.max(),
            unrated=_.unrated.max(),
        )
    )
    # An amount of which a rate is missing keeps its currency, so that the sum of its period is null and says why.
    missing = _.unrated.notnull()
    gap = ibis.literal(Decimal(1)).cast(MONEY)
    stated = both.filter(_.was > 0).select(
        *whole,
        "next_start",
        currency=ibis.coalesce(_.unrated, context.reporting_currency),
        day=_.period_start,
        opening=ibis.ifelse(missing, gap, _.then).cast(MONEY),
        net=ibis.ifelse(missing, gap, _.later).cast(MONEY),
        gross=ibis.ifelse(missing, gap, ibis.least(_.then, _.later)).cast(MONEY),
        customers=ibis.literal(1).cast("int64"),
        lost=flag(_.stays <= 0),
    )
    names = ("opening", "net", "gross", "customers", "lost")
    undone = stated.mutate(day=_.next_start, **{name: -_[name] for name in names})
    columns = [*whole, "currency", "day", *names]
    return stated.select(*columns).union(undone.select(*columns).filter(_.day <= context.today()))


@derived(row_key=("account_id",))
def customer_spells(account_days: ir.Table, context: Context) -> ir.Table:
    """The stretches of days during which an account is a customer: `[since, until)`, an empty end is still."""
    whole = whole_of(context)
    turns = account_days.filter(_.first & (_.was != _.is_customer))
    order = ibis.window(group_by=list(whole), order_by="day")
    turns = turns.mutate(until=_.day.lead().over(order))
    return turns.filter(_.is_customer).select(*whole, since=_.day, until=_.until)


def _of_opening_customers(
    rows: ir.Table, customer_spells: ir.Table, context: Context, window_months: int | None = None
) -> ir.Table:
    """The rows inside the window of each period, of accounts that were customers on its opening day.

    Each comes once for every period whose window holds its `day`, with the period's first day as `period_start`.
    """
    whole = whole_of(context)
    spine = context.warehouse.literal_table(
        {"period_start": "date", "opened": "date", "closed": "date"},
        [(period.start, opening_day(period, window_months), period.closing) for period in _begun(context)],
    )
    met = rows.inner_join(spine, [rows["day"] > spine.opened, rows["day"] <= spine.closed])
    spells = customer_spells.rename({f"of_{name}": name for name in whole})
    return met.inner_join(
        spells,
        [
            *[met[name] == spells[f"of_{name}"] for name in whole],
            spells.since <= met.opened,
            spells.until.isnull() | (spells.until > met.opened),
        ],
    )


@derived(
    per_period=True,
    dimensions={**ACCOUNT_DIMENSIONS, **own("kind")},
    row_key=("account_id", "moved_on", "kind"),
)
def window_movements(
    mrr_movements: ir.Table,
    customer_spells: ir.Table,
    context: Context,
    *,
    window_months: int | None = 12,
) -> ir.Table:
    """Movements inside the window of each period of accounts that were customers on its opening day.

    `day` is the first day of the period; a movement appears once for each period whose window holds it.
    """
    members = _of_opening_customers(mrr_movements, customer_spells, context, window_months)
    return members.select(*whole_of(context), "kind", "amount", "unconverted", day=_.period_start, moved_on=_.day)


@derived(per_period=True, dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",))
def opening_parts(mrr_parts: ir.Table, customer_spells: ir.Table, context: Context) -> ir.Table:
    """Parts of expansions within each period, of accounts that were customers on its opening day.

    An amount is empty where none of it could be converted; `upsold` and `cross_sold` are 1 all the same.
    """
    members = _of_opening_customers(mrr_parts, customer_spells, context)
    return members.group_by(*whole_of(context), day=_.period_start).aggregate(
        upsell=_.upsell.sum(), cross_sell=_.cross_sell.sum(), upsold=_.upsold.max(), cross_sold=_.cross_sold.max()
    )


@derived(row_key=("account_id",))
def first_payments(account_days: ir.Table, context: Context) -> ir.Table:
    """The first day on which each account paid."""
    whole = whole_of(context)
    paying = account_days.filter(_.is_customer)
    return paying.group_by(*whole).aggregate(first_paid=_.day.min())


def cohort_not_reached(context: Context, cohort: str, age: int) -> str:
    """Why a cohort cannot be asked about at that age; empty if it can."""
    try:
        period = context.calendar.parse(cohort)
    except PeriodError as problem:
        return str(problem)
    day = context.calendar.shift(period, age).end - DAY
    return f"the cohort {cohort} reaches age {age} on {day}, after {context.now}" if day > context.now else ""


@derived(dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id", "day"))
def cohort_members(
    account_days: ir.Table, first_payments: ir.Table, context: Context, *, cohort: str, age: int
) -> ir.Table:
    """The members of a cohort with what they paid on their first day and pay on the day that is asked about.

    Both amounts are at the rates of the member's first day.
    """
    whole = whole_of(context)
    period = context.calendar.parse(cohort)
    on = context.calendar.shift(period, age).end - DAY
    members = first_payments.filter(
        (_.first_paid >= day_literal(period.start)) & (_.first_paid < day_literal(period.end))
    )
    members = members.rename({f"of_{name}": name for name in whole})
    order = ibis.window(group_by=[*whole, "currency"], order_by="day")
    states = account_days.mutate(until=_.day.lead().over(order))
    joined = states.inner_join(members, [states[name] == members[f"of_{name}"] for name in whole])
    joined = context.with_rate(
        joined.select(*whole, "day", "until", "currency", "after", "is_customer", "first_paid"),
        "currency",
        "first_paid",
    )

    def on_day(day: Any) -> Any:
        return (_.day <= day) & (_.until.isnull() | (_.until > day))

    then, later = on_day(_.first_paid), on_day(day_literal(on))
    amount = times(_.after, _.rate.fill_null(Decimal(0)))
    summed = joined.group_by(*whole, day=_.first_paid).aggregate(
        first_mrr=ibis.ifelse(then, amount, Decimal(0)).sum().cast(MONEY),
        mrr=ibis.ifelse(later, amount, Decimal(0)).sum().cast(MONEY),
        unconverted=flag(_.rate.isnull() & (_.after != 0) & (then | later)).max(),
        kept=flag(later & _.is_customer).max(),
    )
    return summed.mutate(capped=ibis.least(_.mrr, _.first_mrr))


@derived(dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id", "day"))
def lifetimes(first_payments: ir.Table, mrr_movements: ir.Table, context: Context) -> ir.Table:
    """Each account's first paying day and, if it ever left, the day of its first churn."""
    whole = whole_of(context)
    left = mrr_movements.filter(_.kind == "churn").group_by(*whole).aggregate(left_on=_.day.min())
    left = left.rename({f"of_{name}": name for name in whole})
    joined = first_payments.left_join(left, [first_payments[name] == left[f"of_{name}"] for name in whole])
    return joined.select(*whole, day=_.first_paid, left_on=_.left_on)


@derived(per_period=True, dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",), needs=("product_usage.active_users",))
def closing_users(product_usage: ir.Table, customer_spells: ir.Table, context: Context) -> ir.Table:
    """For each customer of a closing day its highest number of active users on a day of that month so far."""
    spine = context.warehouse.literal_table(
        {"period_start": "date", "month_start": "date", "closed": "date"},
        [(period.start, period.closing.replace(day=1), period.closing) for period in _begun(context)],
    )
    used = context.resolved(product_usage.select("account_id", "used_on", "active_users"))
    met = used.inner_join(spine, [used.used_on >= spine.month_start, used.used_on <= spine.closed])
    peaks = met.group_by("account_id", "period_start", "closed").aggregate(active_users=_.active_users.max())
    spells = customer_spells.rename(of_account_id="account_id")
    customers = peaks.inner_join(
        spells,
        [
            peaks.account_id == spells.of_account_id,
            spells.since <= peaks.closed,
            spells.until.isnull() | (spells.until > peaks.closed),
        ],
    )
    return customers.select(
        "account_id", *context.whole_by, day=_.period_start, active_users=_.active_users.fill_null(0)
    )
