"""Recurring revenue read from contracts and from bills, for businesses without subscription data."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, flag, times
from revgauge.catalogue.facts import of_account, own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

DIMENSIONS = {**own("account_id"), **of_account("segment", "region", "industry", "channel", "owner_id")}


@derived(
    needs=("contracts.starts_on", "contracts.ends_on", "contracts.value"),
    dimensions=DIMENSIONS,
    row_key=("contract_id", "account_id"),
)
def contract_changes(contracts: ir.Table, context: Context) -> ir.Table:
    """Monthly value of running contracts as changes: up on the first day, down on the first day after the end.

    The term in months is 12 x the difference of years + that of months + that of day numbers / 30.
    """
    dated = contracts.filter(_.starts_on.notnull() & _.ends_on.notnull() & (_.ends_on > _.starts_on))
    months = (_.ends_on.year() - _.starts_on.year()) * 12 + (_.ends_on.month() - _.starts_on.month())
    term = months.cast("float64") + (_.ends_on.day() - _.starts_on.day()).cast("float64") / 30.0
    running = context.resolved(dated).mutate(
        monthly=(_.value.cast("float64") / term.nullif(0)).cast("decimal(38, 10)").cast(MONEY),
        in_currency=_.currency.fill_null(context.reporting_currency),
    )
    up = running.select("contract_id", "account_id", currency=_.in_currency, day=_.starts_on, amount=_.monthly)
    down = running.select(
        "contract_id", "account_id", currency=_.in_currency, day=_.ends_on, amount=(-_.monthly).cast(MONEY)
    )
    return up.union(down).filter(_.day <= context.today())


@derived(
    needs=("invoices.issued_on", "invoices.amount"),
    dimensions=DIMENSIONS,
    row_key=("account_id", "day"),
)
def monthly_billings(invoices: ir.Table, context: Context) -> ir.Table:
    """What each account was billed in a month, less credit notes, at the rates of the days of the bills.

    An invoice with a negative amount is read as a credit note. `day` is the first of the month.
    """
    known = context.resolved(invoices.filter(_.issued_on <= context.today()))
    credit = (_.kind == "credit_note").fill_null(False) | (_.amount < 0)
    known = known.mutate(
        signed=ibis.ifelse(credit, -_.amount.abs(), _.amount).cast("decimal(18, 6)"),
    )
    rated = context.with_rate(known.select("account_id", "issued_on", "currency", "signed"), "currency", "issued_on")
    return rated.group_by("account_id", day=_.issued_on.truncate("M").cast("date")).aggregate(
        net=times(_.signed, _.rate.fill_null(Decimal(0))).sum().cast(MONEY),
        unconverted=flag(_.rate.isnull()).max(),
    )
