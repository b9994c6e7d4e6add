"""Cash: how long it takes from a signature over a bill to money, what is still owed, and what goes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import (
    At,
    Measure,
    OfPeriod,
    Statistic,
    Total,
    Worked,
    balance,
    ratio,
    spread,
    total,
)
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import Days, Span, TrailingMonths, UpToClosing
from revgauge.methods.count_back import counted_back
from revgauge.model.period import DAY, Period, add_months

NOTHING_OWED = "nothing is owed"
NOTHING_BILLED = "nothing was billed in the window, less credit notes"
NOTHING_RECEIVED = "no payment was received"
COUNTED_BACK = 36
"""Months that the count back goes at most."""
USUAL_MONTHS = 3
"""Months of billing to which receivables are compared, where the period is not longer."""


# -- from signature to money ------------------------------------------------------------------------------------------


@metric(label="Signature to invoice", unit=Unit.DAYS, better="down", timing="leading")
def sign_to_invoice_days(contract_cash: Facts, *, stat: Statistic = "mean") -> Measure:
    """How many days after its signature a contract was first billed.

    Counted in days of the reporting zone and placed on the day of the bill. The first bill is the earliest by day of
    issue, then by key; a bill of nothing is none. Below zero the bill came before the signature.

    Unit: days
    Formula: mean of (day of issue of the first bill - day of signature)
    Null: no contract was first billed in the period
    Edges: a contract without a signature is left out
    Seed: S1
    Source: dso-countback
    So what: the hand-over from sales to billing; if long trigger the bill from the electronic signature
    """
    return spread(contract_cash, "invoice_days", stat, at="first_issued_on")


@metric(label="Invoice to cash", unit=Unit.DAYS, better="down")
def invoice_to_cash_days(bill_outcomes: Facts, *, stat: Statistic = "mean") -> Measure:
    """How many days after its issue a bill was settled for good.

    Settled since the first day from which nothing has been owed up to now, provided that at least one payment came
    in: what was credited in full brought no cash. A clawback opens a bill again, a refund does not. Placed on the day
    of settlement; a bill that was paid ahead is settled on its day of issue.

    Unit: days
    Formula: mean of (day of settlement - day of issue)
    Null: no bill was settled in the period
    Edges: a bill of which money in another currency cannot be converted is left out
    Seed: S1
    Source: dso-countback
    So what: reminders, and a card on file
    """
    return spread(bill_outcomes, "cash_days", stat, at="settled_on")


@metric(label="Close to cash", unit=Unit.DAYS, better="down")
def close_to_cash_days(
    contract_cash: Facts,
    *,
    stat: Statistic = "mean",
    until: Literal["first_invoice_paid", "first_payment", "all_paid"] = "first_invoice_paid",
) -> Measure:
    """How many days after its signature a contract brought cash.

    By default until its first bill was settled for good; with `first_payment` until the first payment on any of its
    bills, with `all_paid` until all bills that it has so far are settled. Placed on the day of the cash.

    Unit: days
    Formula: mean of (day of cash - day of signature)
    Null: no contract came to cash in the period
    Edges: a bill that was credited in full without a payment is never settled
    Seed: S1 (faster close to cash)
    Source: dso-countback
    So what: electronic signature, reminders, collections, clawbacks
    """
    at, days = {
        "first_invoice_paid": ("first_settled_on", "first_settled_days"),
        "first_payment": ("first_paid_on", "first_paid_days"),
        "all_paid": ("all_settled_on", "all_settled_days"),
    }[until]
    return spread(contract_cash, days, stat, at=at)


# -- what is owed -----------------------------------------------------------------------------------------------------


def _none_of(receivable_changes: Facts, column: str, reason: str) -> Measure:
    """0 while the column counts no open bill on the closing day, else null for the reason."""
    return Total(receivable_changes, span=UpToClosing(), value=column, gap=column, gap_reason=reason)


@metric(label="Receivables", unit=Unit.MONEY, better="down", timing="leading", kind="stock")
def receivables(receivable_changes: Facts) -> Measure:
    """What customers owe on the closing day, at the rates of that day.

    A bill owes its amount less payments and credit notes, plus what was clawed back. A credit note that names no bill
    lowers the account's open bills of its currency, oldest first. A bill that was paid too much helps no other.

    Unit: money
    Formula: sum of open balances above 0
    Null: an open bill is in a currency without a rate, or some money on it cannot be converted
    Edges: nothing open is 0; bills and payments must both be loaded
    Seed: S1
    Source: ias-21, dso-countback
    So what: cash that is to come
    """
    unclear = _none_of(receivable_changes, "unclear", "money on an open bill could not be converted to its currency")
    return balance(receivable_changes, "owed", currency="currency") + unclear


@metric(
    label="Overdue receivables",
    unit=Unit.MONEY,
    better="down",
    timing="leading",
    kind="stock",
    needs=("invoices.due_on",),
)
def overdue_amount(receivable_changes: Facts) -> Measure:
    """What customers owe past its due day on the closing day, at the rates of that day; the due day itself is in time.

    Unit: money
    Formula: sum of open balances of bills that were due before the closing day
    Null: an open bill has no due day, or is in a currency without a rate
    Edges: nothing late is 0; bills and payments must both be loaded
    Seed: S1
    Source: dso-countback, ias-21
    So what: the list of whom to call
    """
    undated = _none_of(receivable_changes, "undated", "an open bill has no due day")
    unclear = _none_of(receivable_changes, "unclear", "money on an open bill could not be converted to its currency")
    return balance(receivable_changes, "late", currency="currency") + undated + unclear


@metric(label="Overdue share", unit=Unit.RATIO, better="down", timing="leading", kind="ratio")
def overdue_rate(overdue_amount: Measure, receivables: Measure) -> Measure:
    """The share of what customers owe that is past its due day.

    Unit: share of receivables
    Formula: overdue receivables / receivables
    Null: nothing is owed, or an open bill has no due day
    Seed: S1
    Source: dso-countback
    So what: if it rises churn and bad debt are ahead
    """
    return ratio(overdue_amount, receivables, NOTHING_OWED)


@metric(label="Paid on time", unit=Unit.RATIO, timing="leading", kind="due", needs=("invoices.due_on",))
def on_time_payment_rate(bill_outcomes: Facts) -> Measure:
    """The part of the bills due in the period that was settled at the end of the due day.

    Partial payments count for what they are, and what was credited counts as settled. Amounts are at the rates of the
    due day.

    Unit: share of the amount due
    Formula: settled part of bills at the end of their due day / amount of the bills due
    Null: nothing was due, or a bill is in a currency without a rate
    Edges: a bill without a due day is left out
    Seed: S1
    Source: gaviti-cei
    So what: terms and dunning; an early sign of churn
    """
    settled = total(bill_outcomes, "settled_amount", at="due_on", gap=_.uncertain)
    due = total(bill_outcomes, "due_amount", at="due_on", gap=_.uncertain)
    return ratio(settled, due, "nothing was due")


# -- days sales outstanding -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeriodOrMonths:
    """The period up to its closing day, or that many months up to it if they are longer; all time has no length."""

    months: int

    def __call__(self, period: Period) -> Days:
        """From the earlier of the two first days to the closing day."""
        first = add_months(period.closing + DAY, -self.months)
        return Days(first if period.grain == "all" else min(first, period.start), period.closing)


@dataclass(frozen=True, slots=True)
class MonthBack:
    """One of the months counted back from the closing day: 1 is the one that ends with it."""

    number: int

    def __call__(self, period: Period) -> Days:
        """The days of that month."""
        end = period.closing + DAY
        return Days(add_months(end, -self.number), add_months(end, 1 - self.number) - DAY)


def _length(span: Span) -> Measure:
    """How many days a span has."""

    def days(period: Period) -> Decimal:
        found = span(period)
        return Decimal((found.last - (found.first or date.min)).days + 1)

    return OfPeriod(days)


def _count_back(receivables: Measure, invoiced_revenue: Facts) -> Measure:
    parts: list[Measure] = [receivables]
    for number in range(1, COUNTED_BACK + 1):
        month = MonthBack(number)
        parts.append(total(invoiced_revenue, "amount", span=month))
        parts.append(total(invoiced_revenue, "unconverted", span=month))
        parts.append(_length(month))
    emptiness = "nothing was billed in the months counted back, or a bill of theirs is in a currency without a rate"
    return Worked(counted_back, tuple(parts), emptiness)


@metric(label="Days sales outstanding", unit=Unit.DAYS, better="down", kind="window", aliases=("dso",))
def days_sales_outstanding(
    receivables: Measure,
    invoiced_revenue: Facts,
    *,
    window_months: int | None = None,
    method: Literal["window", "countback"] = "window",
) -> Measure:
    """How many days of billing customers owe.

    Receivables are compared with what was billed, less credit notes, in the three months up to the closing day, or in
    the period if that is longer; `window_months` sets another window, and of all time the three months are taken. With
    method `countback` months are counted back from the closing day until their billing covers the receivables, the
    last in proportion, at most 36: it is not blurred by growth.

    Unit: days
    Formula: receivables / billed in the window x days of the window
    Null: nothing was billed in the window, or a bill is in a currency without a rate
    Edges: nothing owed is 0
    Seed: S1
    Source: dso-countback
    So what: cash that is tied up; high with little overdue means terms too long, high with much means collections
    Benchmark: 59 days worldwide at the end of 2023 (allianz-2024); compare with your own terms first
    """
    if method == "countback":
        return _count_back(receivables, invoiced_revenue)
    span: Span = PeriodOrMonths(USUAL_MONTHS) if window_months is None else TrailingMonths(window_months)
    return ratio(
        receivables * _length(span), total(invoiced_revenue, "amount", span=span, gap=_.unconverted), NOTHING_BILLED
    )


@metric(label="Collection effectiveness", unit=Unit.RATIO, kind="ratio")
def collection_effectiveness_index(
    receivables: Measure, overdue_amount: Measure, invoiced_revenue: Facts, context: Context
) -> Measure:
    """The share of what could be collected in the period that was collected, free of swings in sales.

    What could be collected is what was owed before the period and billed in it, without what is not due yet.

    Unit: share of what could be collected
    Formula: (opening receivables + billed - closing receivables) / (opening receivables + billed - closing
        receivables that are not late)
    Null: nothing could be collected, or a part of it is not known
    Edges: opening and closing receivables each at the rates of their day
    Seed: S1
    Source: crf-cei, gaviti-cei
    So what: the quality of collecting
    """
    opening = At(receivables, _before(context))
    available = opening + total(invoiced_revenue, "amount", gap=_.unconverted)
    return ratio(
        available - receivables, available - (receivables - overdue_amount), "there was nothing that could be collected"
    )


def _before(context: Context) -> Callable[[Period], Period]:
    return lambda period: context.calendar.shift(period, -1)


# -- money that goes back ---------------------------------------------------------------------------------------------


def _of_received(known_payments: Facts, kind: str) -> Measure:
    """Money of a kind over the payments received, by day of payment."""
    moved = total(known_payments, "amount", where=_.kind == kind, gap=_.unconverted)
    received = total(known_payments, "amount", where=_.kind == "payment", gap=_.unconverted)
    return ratio(moved, received, NOTHING_RECEIVED)


@metric(label="Refund rate", unit=Unit.RATIO, better="down", kind="ratio")
def refund_rate(known_payments: Facts) -> Measure:
    """Money given back to customers, as a share of the payments received in the same period.

    Unit: share of payments received
    Formula: refunds / payments, by day of the movement
    Null: no payment was received, or an amount is in a currency without a rate
    Edges: a negative payment is a refund
    Seed: S1
    Source: ias-21
    So what: promises that were not kept
    """
    return _of_received(known_payments, "refund")


@metric(label="Clawback rate", unit=Unit.RATIO, better="down", kind="ratio")
def clawback_rate(known_payments: Facts) -> Measure:
    """Money that banks or customers took back, as a share of the payments received in the same period.

    Unit: share of payments received
    Formula: clawbacks / payments, by day of the movement
    Null: no payment was received, or an amount is in a currency without a rate
    Seed: S1
    Source: ias-21
    So what: disputes, fraud, customers who do not fit
    """
    return _of_received(known_payments, "clawback")
