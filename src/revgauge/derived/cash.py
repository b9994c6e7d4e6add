"""How bills and contracts came to cash: when each bill was settled, and what of it by its due day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.invoices import ACCOUNT
from revgauge.derived.receivables import AMOUNT, NOTHING, bills_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context


@derived(dimensions=ACCOUNT, row_key=("invoice_id", "account_id"), left_out="known_invoices_left_out")
def bill_outcomes(
    known_invoices: ir.Table, bill_reductions: ir.Table, open_bills: ir.Table, context: Context
) -> ir.Table:
    """One row for each bill with what has become of it.

    `settled_on` is the day from which nothing has been owed up to `now`, the day of issue at the earliest, if at least
    one payment came in; `first_paid_on` the day of the first; `cash_days` lie between issue and settlement.
    `due_amount` and `settled_amount` are the bill and the part of it that was settled at the end of its due day, at the
    rates of that day; `uncertain` marks a bill without a rate then, or of which some money cannot be converted.
    """
    bills = bills_of(known_invoices)
    stays = open_bills.group_by(stay_of=_.invoice_id).aggregate(
        last_stop=_.stop.max(),
        still=flag(_.stop.isnull()).max(),
        owed_at_due=ibis.ifelse(
            (_.start <= _.due_on) & (_.stop > _.due_on).fill_null(True), _.owed, ibis.literal(NOTHING).cast(AMOUNT)
        ).max(),
    )
    lowered = bill_reductions.group_by(lowered_of=_.invoice_id).aggregate(
        first_paid_on=ibis.ifelse(_.is_payment, _.day, None).min(),
        by_due=ibis.ifelse(_.day <= _.due_on, _.lowered, ibis.literal(NOTHING).cast(AMOUNT)).sum().cast(AMOUNT),
        unclear=_.unclear.max(),
    )
    rows = bills.left_join(stays, bills.invoice_id == stays.stay_of)
    rows = rows.left_join(lowered, rows.invoice_id == lowered.lowered_of)
    rows = rows.mutate(
        settled_on=ibis.ifelse(
            _.first_paid_on.notnull() & (_.still.fill_null(0) == 0) & (_.unclear == 0),
            ibis.coalesce(_.last_stop, _.issued_on),
            None,
        ),
        # What was due before it was issued is in no stay on that day; only what had come in by then counts.
        owed_at_due=ibis.ifelse(
            _.due_on < _.issued_on, _.stated - _.by_due.fill_null(NOTHING), _.owed_at_due.fill_null(NOTHING)
        ).cast(AMOUNT),
    )
    rows = context.with_rate(rows, "currency", "due_on")
    settled = ibis.greatest(
        ibis.literal(NOTHING).cast(AMOUNT),
        ibis.least(_.stated.cast(AMOUNT), (_.stated - _.owed_at_due).cast(AMOUNT)),
    )
    return rows.select(
        *("invoice_id", "account_id", "contract_id", "currency", "issued_on", "due_on", "stated"),
        *("settled_on", "first_paid_on"),
        cash_days=_.settled_on.delta(_.issued_on, unit="day"),
        due_amount=times(_.stated, _.rate),
        settled_amount=times(settled, _.rate),
        uncertain=flag(_.rate.isnull() | (_.unclear.fill_null(0) > 0)),
    )


@derived(
    dimensions=ACCOUNT,
    row_key=("contract_id", "account_id"),
    needs=("contracts.signed_at", "invoices.contract_id"),
    follows=("invoices.contract_id",),
    left_out="known_invoices_left_out",
)
def contract_cash(contracts: ir.Table, bill_outcomes: ir.Table, context: Context) -> ir.Table:
    """One row for each signed contract with a bill: when it was signed, first billed, and when cash came in.

    `first_issued_on` and `first_settled_on` are those of its first bill; `first_paid_on` is the day of its first
    payment on any bill, `all_settled_on` the day from which all of its bills are settled.
    """
    signed = context.resolved(contracts).mutate(signed_on=context.day(_.signed_at))
    signed = signed.filter(_.signed_on <= context.today()).select("contract_id", "account_id", "signed_on")
    billed = bill_outcomes.filter(_.contract_id.notnull())
    in_order = ibis.window(group_by="contract_id", order_by=["issued_on", "invoice_id"])
    first = billed.mutate(place=ibis.row_number().over(in_order)).filter(_.place == 0)
    first = first.select(
        first_of=_.contract_id,
        first_invoice_id=_.invoice_id,
        billed_account=_.account_id,
        first_issued_on=_.issued_on,
        first_settled_on=_.settled_on,
    )
    every = billed.group_by(all_of=_.contract_id).aggregate(
        first_paid_on=_.first_paid_on.min(),
        bills=_.count(),
        settled=_.settled_on.count(),
        last_settled_on=_.settled_on.max(),
    )
    rows = signed.inner_join(first, signed.contract_id == first.first_of)
    rows = rows.inner_join(every, rows.contract_id == every.all_of)
    rows = rows.mutate(all_settled_on=ibis.ifelse(_.settled == _.bills, _.last_settled_on, None))
    return rows.select(
        *("contract_id", "first_invoice_id", "signed_on"),
        *("first_issued_on", "first_settled_on", "first_paid_on", "all_settled_on"),
        account_id=ibis.coalesce(_.account_id, _.billed_account),
        invoice_days=_.first_issued_on.delta(_.signed_on, unit="day"),
        first_settled_days=_.first_settled_on.delta(_.signed_on, unit="day"),
        first_paid_days=_.first_paid_on.delta(_.signed_on, unit="day"),
        all_settled_days=_.all_settled_on.delta(_.signed_on, unit="day"),
    )
