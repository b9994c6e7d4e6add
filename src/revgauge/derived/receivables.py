"""What is open: for every bill the days on which something was owed for it, and how much.

A bill's balance is its amount less payments and the credit notes that apply to it, plus what was clawed back, in its
own currency. Credit notes that name no bill come after all of that: on each day those of an account lower its open
bills of their currency, oldest first. A balance at or below zero owes nothing and helps no other bill.

No day is laid out by bill: a balance changes on few days, and between two of them lies a stay. Only accounts that hold
a loose credit are looked at on every day on which anything of theirs changes.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import day_literal, flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.invoices import ACCOUNT
from revgauge.model.period import DAY, add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

AMOUNT = "decimal(18, 6)"
NOTHING = Decimal(0)
BILL = ("invoice_id", "account_id", "currency", "issued_on", "due_on")
PURSE = ("account_id", "currency")
"""Within what a loose credit note lowers bills."""


def bills_of(known_invoices: ir.Table) -> ir.Table:
    """The bills alone, without credit notes."""
    bills = known_invoices.filter(~_.is_credit)
    return bills.select(*("invoice_id", "account_id", "currency", "contract_id", "due_on", "stated"), issued_on=_.day)


@derived(row_key=("invoice_id", "day"), follows=("invoices.applies_to",))
def bill_reductions(known_invoices: ir.Table, known_payments: ir.Table, context: Context) -> ir.Table:
    """What lowers a bill, on its day and in the bill's currency: money in, and credit notes that apply to it.

    What a clawback takes back is negative; a refund is not among them. Money in another currency lowers a bill by what
    it is worth on its day; `unclear` marks money of which nobody knows that.
    """
    bills = bills_of(known_invoices).select(*BILL, bill=_.invoice_id)
    money = known_payments.filter(_.kind != "refund").select(
        of_bill=_.invoice_id,
        day=_.day,
        in_currency=_.currency,
        lowered=ibis.ifelse(_.kind == "clawback", -_.stated, _.stated).cast(AMOUNT),
        is_payment=_.kind == "payment",
    )
    credits_ = known_invoices.filter(_.is_credit & _.applies_to.notnull()).select(
        of_bill=_.applies_to,
        day=_.day,
        in_currency=_.currency,
        lowered=_.stated.cast(AMOUNT),
        is_payment=ibis.literal(False),
    )
    lowering = money.union(credits_)
    met = lowering.inner_join(bills, lowering.of_bill == bills.bill).drop("of_bill", "bill")
    same = met.filter(_.in_currency == _.currency).mutate(unclear=ibis.literal(0).cast("int64"))
    foreign = met.filter(_.in_currency != _.currency)
    if not context.holds(foreign):
        return same.drop("in_currency")
    return same.union(_exchanged(foreign, context)).drop("in_currency")


def _exchanged(foreign: ir.Table, context: Context) -> ir.Table:
    """Money in another currency than its bill, in the currency of the bill at the rates of the day."""
    columns = foreign.columns
    given = context.with_rate(foreign, "in_currency", "day").rename(rate_in="rate")
    both = context.with_rate(given, "currency", "day")
    worth = times(_.lowered, _.rate_in).cast("float64") / _.rate.nullif(NOTHING).cast("float64")
    return both.mutate(
        lowered=worth.fill_null(0.0).cast(AMOUNT), unclear=flag(_.rate_in.isnull() | _.rate.isnull())
    ).select(*columns, "unclear")


@derived(dimensions=ACCOUNT, row_key=("invoice_id", "account_id"), left_out="known_invoices_left_out")
def open_bills(known_invoices: ir.Table, bill_reductions: ir.Table, context: Context) -> ir.Table:
    """Stays: from `start` to `stop` (empty: still) the amount `owed` for a bill was the same and above zero.

    `late` marks stays after the due day, `unclear` those of a bill of which some money cannot be converted: what is
    owed for it from then on is not known.
    """
    bills = bills_of(known_invoices)
    issued = bills.select(*BILL, day=_.issued_on, change=_.stated.cast(AMOUNT), unclear=ibis.literal(0).cast("int64"))
    lowered = bill_reductions.select(
        *BILL, day=ibis.greatest(_.day, _.issued_on), change=(-_.lowered).cast(AMOUNT), unclear=_.unclear
    )
    # Changes of one day share their running total, and all but the last of them hold for no time at all.
    order = ibis.window(group_by="invoice_id", order_by="day")
    running = ibis.range_window(group_by="invoice_id", order_by="day", preceding=None, following=0)
    stays = issued.union(lowered).select(
        *BILL,
        start=_.day,
        stop=_.day.lead().over(order),
        owed=ibis.greatest(ibis.literal(NOTHING).cast(AMOUNT), _.change.sum().over(running).cast(AMOUNT)),
        unclear=flag(_.unclear.sum().over(running) > 0),
    )
    stays = stays.filter(((_.owed > 0) | (_.unclear > 0)) & (_.stop.isnull() | (_.stop > _.start)))
    left = _parted_when_due(_less_loose_credits(stays, known_invoices, context), context)
    return left.mutate(late=(_.start > _.due_on).fill_null(False))


def _parted_when_due(stays: ir.Table, context: Context) -> ir.Table:
    """The stays, in two where the due day ends within one, so that each is late as a whole or not at all."""
    parts = context.warehouse.literal_table({"part": "int64"}, [(0,), (1,)])
    late_from = (_.due_on + ibis.interval(days=DAY.days)).cast("date")
    parted = (_.start <= _.due_on) & (_.due_on < context.today()) & (_.stop.isnull() | (_.stop > late_from))
    both = stays.mutate(late_from=late_from, parted=parted.fill_null(False)).cross_join(parts)
    both = both.filter((_.part == 0) | _.parted)
    return both.mutate(
        start=ibis.ifelse(_.part == 1, _.late_from, _.start),
        stop=ibis.ifelse(_.parted & (_.part == 0), _.late_from, _.stop),
    ).drop("late_from", "parted", "part")


def _less_loose_credits(stays: ir.Table, known_invoices: ir.Table, context: Context) -> ir.Table:
    """The stays with what the account's loose credit notes leave of them."""
    loose = known_invoices.filter(_.is_credit & _.applies_to.isnull() & _.account_id.notnull())
    ((first,),) = context.warehouse.pairs(loose.aggregate(first=_.day.min()))
    if first is None:
        return stays
    stays = context.warehouse.keep("stays_before_loose_credits", stays)
    given = loose.group_by(*PURSE, "day").aggregate(given=_.stated.sum().cast(AMOUNT))
    purses = given.group_by(*PURSE).aggregate(credited_from=_.day.min())
    held = stays.inner_join(purses, list(PURSE))
    untouched = stays.anti_join(purses, list(PURSE))
    before = held.filter(_.start < _.credited_from)
    before = before.mutate(stop=ibis.ifelse((_.stop <= _.credited_from).fill_null(False), _.stop, _.credited_from))
    after = held.filter((_.stop > _.credited_from).fill_null(True))
    after = after.mutate(start=ibis.greatest(_.start, _.credited_from))
    lowered = _lowered_oldest_first(after.drop("credited_from"), given, first, context)
    return ibis.union(untouched, before.drop("credited_from"), lowered.select(*untouched.columns))


def _lowered_oldest_first(stays: ir.Table, given: ir.Table, first: date, context: Context) -> ir.Table:
    """The stays of accounts with a loose credit, cut on every day of a change and lowered, the oldest bill first.

    Days and stays meet within a month, so that a long history is not met by every day of it; and only for bills which
    the credits can reach in that month, so that who owes for many bills is not laid out by day.
    """
    end = day_literal(context.now + DAY)
    turns = _turns(stays, given, end)
    of_month = turns.group_by(*(f"of_{name}" for name in PURSE), "month").aggregate(
        first_turn=_.since.min(), last_until=_.until.max(), most=_.credit.max()
    )
    months = context.warehouse.literal_table(
        {"in_month": "int64", "month_first": "date", "next_first": "date"}, _months(first, context.now)
    )
    ends = stays.stop.fill_null(end)
    within = stays.mutate(ends=ends).inner_join(months, [months.next_first > stays.start, months.month_first < ends])
    within = within.inner_join(of_month, [*_same_purse(within, of_month), within.in_month == of_month.month])
    within = within.drop(*(f"of_{name}" for name in PURSE), "month")
    none = ibis.literal(NOTHING).cast(AMOUNT)
    within = within.mutate(lowerable=ibis.ifelse(_.unclear > 0, none, _.owed))
    # What stays owed for all of the month takes credit before any later bill does.
    throughout = ibis.ifelse((_.start <= _.month_first) & (_.ends >= _.next_first), _.lowerable, none)
    oldest_first = ibis.window(
        group_by=[*PURSE, "in_month"], order_by=["issued_on", "invoice_id", "start"], preceding=None, following=0
    )
    within = within.mutate(throughout=throughout)
    within = within.mutate(reached=(_.throughout.sum().over(oldest_first) - _.throughout) < _.most)
    within = context.warehouse.keep("stays_by_month", within)
    beyond = within.filter(~_.reached).mutate(
        start=ibis.greatest(_.start, _.first_turn), stop=ibis.least(_.ends, _.last_until)
    )
    lowered = _lowered_by_day(within.filter(_.reached), turns)
    columns = [*BILL, "start", "stop", "owed", "unclear"]
    both = beyond.filter(_.stop > _.start).select(*columns).union(lowered.select(*columns))
    return both.mutate(stop=ibis.ifelse(_.stop < end, _.stop, None))


def _months(first: date, last: date) -> list[tuple[int, date, date]]:
    """The months from one day to another: their number, first day, and first day after."""
    month = first.replace(day=1)
    found: list[tuple[int, date, date]] = []
    while month <= last:
        found.append((month.year * 12 + month.month, month, add_months(month, 1)))
        month = add_months(month, 1)
    return found


def _same_purse(rows: ir.Table, others: ir.Table) -> list[Any]:
    return [rows[name] == others[f"of_{name}"] for name in PURSE]


def _turns(stays: ir.Table, given: ir.Table, end: Any) -> ir.Table:
    """The days on which anything of a purse changes, with the day of the next change and the credit given so far."""
    none = ibis.literal(NOTHING).cast(AMOUNT)
    turns = ibis.union(
        given,
        stays.select(*PURSE, day=_.start, given=none),
        stays.filter(_.stop.notnull()).select(*PURSE, day=_.stop, given=none),
    )
    turns = turns.group_by(*PURSE, "day").aggregate(given=_.given.sum().cast(AMOUNT))
    order = ibis.window(group_by=list(PURSE), order_by="day")
    running = ibis.window(group_by=list(PURSE), order_by="day", preceding=None, following=0)
    return turns.select(
        **{f"of_{name}": _[name] for name in PURSE},
        since=_.day,
        until=_.day.lead().over(order).fill_null(end),
        credit=_.given.sum().over(running).cast(AMOUNT),
        month=(_.day.year() * 12 + _.day.month()).cast("int64"),
    )


def _lowered_by_day(stays: ir.Table, turns: ir.Table) -> ir.Table:
    """What is left of each stay after each turn of its month."""
    none = ibis.literal(NOTHING).cast(AMOUNT)
    met = stays.inner_join(
        turns,
        [
            *_same_purse(stays, turns),
            stays.in_month == turns.month,
            stays.start <= turns.since,
            stays.ends > turns.since,
        ],
    )
    oldest_first = ibis.window(
        group_by=[*PURSE, "since"], order_by=["issued_on", "invoice_id"], preceding=None, following=0
    )
    met = met.mutate(older=(_.lowerable.sum().over(oldest_first) - _.lowerable).cast(AMOUNT))
    left = ibis.greatest(none, (_.credit - _.older).cast(AMOUNT))
    lowered = met.mutate(start=_.since, stop=_.until, owed=(_.owed - ibis.least(_.lowerable, left)).cast(AMOUNT))
    return lowered.filter((_.owed > 0) | (_.unclear > 0))


@derived(kept=False, dimensions=ACCOUNT, row_key=("invoice_id", "account_id"), left_out="known_invoices_left_out")
def receivable_changes(open_bills: ir.Table) -> ir.Table:
    """Changes of what is owed, to be added up to a state: `owed` in all, `late` what of it is past its due day.

    `undated` and `unclear` count open bills without a due day, and those of which some money cannot be converted.
    """
    none = ibis.literal(NOTHING).cast(AMOUNT)
    told = ("invoice_id", "account_id", "currency", "due_on")
    late = ibis.ifelse(_.late, _.owed, none).cast(AMOUNT)
    undated = flag(_.due_on.isnull())
    begun = open_bills.select(*told, day=_.start, owed=_.owed, late=late, undated=undated, unclear=_.unclear)
    over = open_bills.filter(_.stop.notnull()).select(
        *told,
        day=_.stop,
        owed=(-_.owed).cast(AMOUNT),
        late=(-late).cast(AMOUNT),
        undated=-undated,
        unclear=-_.unclear,
    )
    return begun.union(over)
