"""Bills, credit notes and money as known on the day `now`: who they belong to, which way they go, what they are worth.

Where a kind gives the direction an amount is a magnitude: a bill with a negative amount is read as a credit note, a
negative payment as a refund. Both are told among the rows left out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import flag, times
from revgauge.catalogue.facts import of_account, own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

ACCOUNT = {**own("account_id"), **of_account("segment", "region", "industry", "channel", "owner_id")}
"""Dimensions of what is billed to an account: those of the account as it is now."""


@derived(
    needs=("invoices.issued_on", "invoices.amount"),
    dimensions=ACCOUNT,
    row_key=("invoice_id", "account_id"),
)
def known_invoices(invoices: ir.Table, context: Context) -> ir.Table:
    """Bills and credit notes (`is_credit`) on the day of issue; those of nothing do not exist.

    `stated` is the amount in the row's own currency, without a sign.
    """
    known = context.resolved(invoices.filter((_.issued_on <= context.today()) & (_.amount != 0)))
    return known.select(
        *("invoice_id", "account_id", "contract_id", "due_on", "applies_to"),
        day=_.issued_on,
        is_credit=(_.kind == "credit_note").fill_null(False) | (_.amount < 0),
        stated=_.amount.abs().cast("decimal(18, 6)"),
        currency=_.currency.fill_null(context.reporting_currency),
    )


@derived(
    needs=("payments.paid_at", "payments.amount"),
    follows=("payments.invoice_id",),
    dimensions=ACCOUNT,
    row_key=("payment_id", "invoice_id", "account_id"),
)
def known_payments(payments: ir.Table, known_invoices: ir.Table, context: Context) -> ir.Table:
    """Money in (`payment`) and back out (`refund`, `clawback`) on its day, under the account of the bill.

    `stated` is the amount in the row's own currency, by default that of the bill; `amount` is in the reporting currency
    at the rate of the day. Neither has a sign. `unconverted` marks one without a rate.
    """
    moved = payments.filter(_.amount != 0).mutate(day=context.day(_.paid_at)).filter(_.day <= context.today())
    kind = _.kind.fill_null("payment")
    moved = moved.select(
        *("payment_id", "invoice_id", "day", "currency"),
        kind=ibis.ifelse((_.amount < 0) & (kind == "payment"), "refund", kind),
        stated=_.amount.abs().cast("decimal(18, 6)"),
    )
    bills = known_invoices.select("account_id", bill=_.invoice_id, bill_currency=_.currency)
    placed = moved.left_join(bills, moved.invoice_id == bills.bill)
    placed = placed.mutate(currency=ibis.coalesce(_.currency, _.bill_currency, context.reporting_currency))
    rated = context.with_rate(placed.drop("bill", "bill_currency"), "currency", "day")
    return rated.mutate(amount=times(_.stated, _.rate.fill_null(Decimal(0))), unconverted=flag(_.rate.isnull())).drop(
        "rate"
    )


@derived(kept=False, dimensions=ACCOUNT, row_key=("invoice_id", "account_id", "reason"))
def known_invoices_left_out(invoices: ir.Table, known_invoices: ir.Table, context: Context) -> ir.Table:
    """Bills that count for nothing, or otherwise than they are written, and why; later ones are dated `now`."""
    told = context.resolved(invoices).select(
        *("invoice_id", "account_id", "due_on", "amount", "currency", "applies_to", "kind"), day=_.issued_on
    )
    later = told.filter(_.day > context.today())
    later = later.mutate(day=context.today(), reason=ibis.literal(f"issued after {context.now}"))
    known = told.filter(_.day <= context.today())
    nothing = known.filter(_.amount == 0).mutate(reason=ibis.literal("a bill of nothing"))
    negative = known.filter((_.amount < 0) & (_.kind != "credit_note").fill_null(True))
    negative = negative.mutate(reason=ibis.literal("a negative bill: read as a credit note"))
    bills = known_invoices.filter(~_.is_credit).select(bill=_.invoice_id)
    astray = known.filter(_.applies_to.notnull() & (_.amount != 0)).anti_join(bills, _.applies_to == bills.bill)
    astray = astray.mutate(reason="a credit note for " + _.applies_to + ", which is no bill: it lowers none")
    return ibis.union(later, nothing, negative, astray)


@derived(kept=False, dimensions=ACCOUNT, row_key=("payment_id", "invoice_id", "account_id", "reason"))
def known_payments_left_out(payments: ir.Table, known_invoices: ir.Table, context: Context) -> ir.Table:
    """Money that counts for nothing, or otherwise than it is written, and why; later money is dated `now`."""
    told = payments.select("payment_id", "invoice_id", "amount", "currency", "kind", day=context.day(_.paid_at))
    bills = known_invoices.select("account_id", bill=_.invoice_id)
    told = told.left_join(bills, told.invoice_id == bills.bill)
    later = told.filter(_.day > context.today())
    later = later.mutate(day=context.today(), reason=ibis.literal(f"moved after {context.now}"))
    known = told.filter((_.day <= context.today()) & (_.amount != 0))
    negative = known.filter((_.amount < 0) & (_.kind.fill_null("payment") == "payment"))
    negative = negative.mutate(reason=ibis.literal("a negative payment: read as a refund"))
    astray = known.filter(_.bill.isnull()).mutate(
        reason="for " + _.invoice_id.fill_null("no bill") + ", which is not there: it settles nothing"
    )
    return ibis.union(later, negative, astray).drop("bill")
