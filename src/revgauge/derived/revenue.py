"""Revenue from each of its sources: what is earned from subscriptions and contracts, billed, and collected.

Each table holds changes or flows by day and account. Deals won, the fifth source, stand with the opportunities.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import ibis
from ibis import _

from revgauge.catalogue.accruals import with_earnings
from revgauge.catalogue.engine import MONEY, flag, times
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, accrual
from revgauge.catalogue.registry import derived
from revgauge.derived.billing import DIMENSIONS
from revgauge.derived.subscriptions import ACCOUNT_DIMENSIONS, LEFT_OUT, whole_of
from revgauge.model.period import DAY, Period, add_months

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context
    from revgauge.catalogue.spans import Span

Source = Literal["recurring", "invoiced", "collected", "recognised", "bookings"]


@derived(kept=False, dimensions=ACCOUNT_DIMENSIONS, row_key=("account_id",), left_out=LEFT_OUT)
def mrr_earnings(mrr_changes: ir.Table, context: Context) -> ir.Table:
    """Changes of recurring revenue, of which each day earns its part of the month."""
    changes = mrr_changes.filter(_.amount != 0).select(*whole_of(context), "currency", "day", "amount")
    return with_earnings(changes, context, "month")


def recurring_revenue(mrr_earnings: Facts, span: Span | None = None) -> Measure:
    """Each day's recurring revenue divided by the days of its month, at the rates of the day."""
    return accrual(mrr_earnings, "amount", currency="currency", pace="month", span=span)


def last_twelve_months(period: Period) -> Period:
    """The twelve months up to the closing day."""
    end = period.closing + DAY
    return replace(period, start=add_months(end, -12), end=end, label=f"12 months to {period.closing}")


@derived(
    dimensions=DIMENSIONS,
    row_key=("contract_id", "account_id"),
    needs=("contracts.starts_on", "contracts.ends_on", "contracts.value"),
)
def contract_earnings(contracts: ir.Table, context: Context) -> ir.Table:
    """What running contracts earn each day, as changes: up on the first day, down on the first day after the term.

    A contract's value is spread over its days in equal parts, with ten places. One without both days, or without a day
    in between, earns nothing.
    """
    dated = context.resolved(contracts.filter(_.ends_on > _.starts_on))
    days = (_.ends_on.epoch_days() - _.starts_on.epoch_days()).cast("float64")
    daily = (_.value.cast("float64") / days).cast("decimal(24, 10)")
    running = dated.mutate(daily=daily, in_currency=_.currency.fill_null(context.reporting_currency))
    running = running.filter(_.daily.notnull())
    up = running.select("contract_id", "account_id", currency=_.in_currency, day=_.starts_on, amount=_.daily)
    down = running.select(
        "contract_id", "account_id", currency=_.in_currency, day=_.ends_on, amount=(-_.daily).cast("decimal(24, 10)")
    )
    return with_earnings(up.union(down).filter(_.day <= context.today()), context, "day")


def signed(lowers: Any) -> Any:
    """An amount as a magnitude with the sign of its kind: one that is negative by itself lowers, whatever it is."""
    return ibis.ifelse(lowers | (_.amount < 0), -_.amount.abs(), _.amount).cast("decimal(18, 6)")


def _at_rates(rows: ir.Table, context: Context) -> ir.Table:
    """The rows with their amount at the rate of their day; `unconverted` marks one that needs a rate and has none."""
    rated = context.with_rate(rows, "currency", "day")
    return rated.mutate(
        amount=times(_.stated, _.rate.fill_null(Decimal(0))).cast(MONEY),
        unconverted=flag(_.rate.isnull() & (_.stated != 0)),
    ).drop("rate")


@derived(
    dimensions=DIMENSIONS,
    row_key=("invoice_id", "account_id"),
    needs=("invoices.issued_on", "invoices.amount"),
)
def invoiced_revenue(invoices: ir.Table, context: Context) -> ir.Table:
    """Bills, and credit notes with a minus, on the day of issue; a bill with a negative amount is a credit note."""
    known = context.resolved(invoices.filter(_.issued_on <= context.today()))
    rows = known.select(
        *("invoice_id", "account_id", "kind", "currency"),
        day=_.issued_on,
        stated=signed((_.kind == "credit_note").fill_null(False)),
    )
    return _at_rates(rows, context)


@derived(
    dimensions=DIMENSIONS,
    row_key=("payment_id", "account_id"),
    optional=frozenset({"invoices"}),
    needs=("payments.paid_at", "payments.amount"),
)
def collected_revenue(payments: ir.Table, invoices: ir.Table, context: Context) -> ir.Table:
    """Payments, and refunds and clawbacks with a minus, on their day; a negative payment is a refund.

    The account is that of the invoice, and so is the currency where none is given.
    """
    billed = invoices.select(billed_id=_.invoice_id, account_id=_.account_id, billed_currency=_.currency)
    paid = payments.mutate(day=context.day(_.paid_at)).filter(_.day <= context.today())
    joined = paid.left_join(billed, paid.invoice_id == billed.billed_id)
    joined = joined.mutate(currency=ibis.coalesce(_.currency, _.billed_currency))
    rows = context.resolved(joined.mutate(stated=signed(_.kind.isin(["refund", "clawback"]).fill_null(False)))).select(
        "payment_id", "invoice_id", "account_id", "kind", "currency", "day", "stated"
    )
    return _at_rates(rows, context)
