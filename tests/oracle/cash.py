"""Cash by brute force: what every single bill owes at the end of every single day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from .money import ratio, statistic, total
from .periods import BEGINNING, DAY, add_months
from .question import Question
from .tables import Row

MILLIONTH = 1_000_000


@dataclass(frozen=True)
class Bill:
    """A bill as it was written; amounts are in its own currency."""

    invoice_id: str
    account_id: str | None
    contract_id: str | None
    issued_on: date
    due_on: date | None
    amount: Fraction
    currency: str


@dataclass(frozen=True)
class Lowering:
    """Money in, money that was clawed back (negative), or a credit note that names the bill."""

    invoice_id: str
    day: date
    amount: Fraction | None
    is_payment: bool


class Ledger:
    """The bills of the company and what lowers them, as known on `now`."""

    def __init__(self, question: Question) -> None:
        """Sort the rows into bills, credit notes that name one, credit notes that name none, and money."""
        self.question = question
        self.bills: dict[str, Bill] = {}
        self.loose: list[tuple[str | None, str, date, Fraction]] = []
        self.lowerings: list[Lowering] = []
        self.billed: list[tuple[str | None, str, date, Fraction]] = []
        self.money: list[tuple[str, str | None, str, date, Fraction]] = []
        rows = [row for row in question.tables.rows("invoices") if row["issued_on"] <= question.now and row["amount"]]
        credits_ = [row for row in rows if row["kind"] == "credit_note" or row["amount"] < 0]
        for row in rows:
            account, currency = self._account(row), row["currency"] or question.reporting_currency
            amount = abs(row["amount"])
            self.billed.append((account, currency, row["issued_on"], -amount if row in credits_ else amount))
            if row not in credits_:
                self.bills[row["invoice_id"]] = Bill(
                    row["invoice_id"],
                    account,
                    row["contract_id"],
                    row["issued_on"],
                    row["due_on"],
                    amount,
                    currency,
                )
        owners = {row["invoice_id"]: row for row in rows}
        for row in credits_:
            currency = row["currency"] or question.reporting_currency
            if row["applies_to"]:
                self._lower(row["applies_to"], row["issued_on"], abs(row["amount"]), currency, is_payment=False)
            else:
                self.loose.append((self._account(row), currency, row["issued_on"], abs(row["amount"])))
        for row in question.tables.rows("payments"):
            self._pay(row, owners)
        self._days: dict[date, dict[str, Fraction | None]] = {}

    @classmethod
    def of(cls, question: Question) -> Ledger:
        """The ledger of the tables; questions on the same day share one."""
        key = ("ledger", question.now, question.reporting_currency, question.time_zone)
        if key not in question.tables.remembered:
            question.tables.remembered[key] = cls(question)
        return question.tables.remembered[key]  # type: ignore[no-any-return]

    def _account(self, row: Row) -> str | None:
        return self.question.accounts.survivor(row["account_id"])

    def _pay(self, row: Row, owners: dict[str, Row]) -> None:
        day = self.question.day_of(row["paid_at"])
        if day > self.question.now or not row["amount"]:
            return
        kind, amount = row["kind"] or "payment", abs(row["amount"])
        if kind == "payment" and row["amount"] < 0:
            kind = "refund"
        owner = owners.get(row["invoice_id"])
        currency = row["currency"] or (owner or {}).get("currency") or self.question.reporting_currency
        self.money.append((kind, self._account(owner) if owner else None, currency, day, amount))
        if kind != "refund":
            signed = -amount if kind == "clawback" else amount
            self._lower(row["invoice_id"], day, signed, currency, is_payment=kind == "payment")

    def _lower(self, invoice_id: str, day: date, amount: Fraction, currency: str, *, is_payment: bool) -> None:
        bill = self.bills.get(invoice_id)
        if bill is None:
            return
        known: Fraction | None = amount
        if currency != bill.currency:
            given, wanted = self.question.rates.on(currency, day), self.question.rates.on(bill.currency, day)
            known = None if given is None or wanted is None else _rounded(amount * given / wanted)
        self.lowerings.append(Lowering(invoice_id, day, known, is_payment))

    def own_balance(self, bill: Bill, day: date) -> Fraction | None:
        """The amount less what lowers it by its name up to the day; None if some of that has no rate."""
        amounts = [one.amount for one in self.lowerings if one.invoice_id == bill.invoice_id and one.day <= day]
        lowered = total(amounts)
        return None if lowered is None else bill.amount - lowered

    def owed(self, day: date) -> dict[str, Fraction | None]:
        """What each bill that was issued by the day still owes at its end, above zero; None where that is not known."""
        if day not in self._days:
            found: dict[str, Fraction | None] = {}
            issued = [bill for bill in self.bills.values() if bill.issued_on <= day]
            for bill in issued:
                own = self.own_balance(bill, day)
                if own is None or own > 0:
                    found[bill.invoice_id] = own
            for account, currency in {(bill.account_id, bill.currency) for bill in issued}:
                given = [one for one in self.loose if one[0] == account is not None and one[1] == currency]
                rest = sum((amount for *_, since, amount in given if since <= day), Fraction(0))
                mine = [bill for bill in issued if (bill.account_id, bill.currency) == (account, currency)]
                for bill in sorted(mine, key=lambda bill: (bill.issued_on, bill.invoice_id)):
                    here = found.get(bill.invoice_id)
                    if here is not None:
                        found[bill.invoice_id] = here - min(here, rest)
                        rest -= min(here, rest)
            self._days[day] = {name: amount for name, amount in found.items() if amount is None or amount > 0}
        return self._days[day]

    def settled_on(self, bill: Bill) -> date | None:
        """The first day from which nothing has been owed up to `now`, if at least one payment came in."""
        if self.first_payment([bill]) is None or self.own_balance(bill, self.question.now) is None:
            return None
        day = self.question.now
        while day >= bill.issued_on and bill.invoice_id not in self.owed(day):
            day -= DAY
        return None if day == self.question.now else day + DAY

    def first_payment(self, bills: list[Bill]) -> date | None:
        """The day of the first payment on any of the bills."""
        names = {bill.invoice_id for bill in bills}
        return min((one.day for one in self.lowerings if one.is_payment and one.invoice_id in names), default=None)


def _rounded(amount: Fraction) -> Fraction:
    """To a millionth, halves away from zero."""
    whole = int(abs(amount) * MILLIONTH + Fraction(1, 2))
    return Fraction(whole if amount >= 0 else -whole, MILLIONTH)


def in_slice(question: Question, account_id: str | None) -> bool:
    """Whether a row of the account belongs to what is asked for."""
    return all(question.accounts.dimension(account_id, name) == wanted for name, wanted in question.by.items())


def _durations(question: Question, cases: list[tuple[str | None, date | None, date]]) -> Fraction | None:
    """Statistic of days from a start to an end, of the cases that end in the period."""
    first, last = question.period.start, question.closing_day
    days = [
        Fraction((end - start).days)
        for account, end, start in cases
        if end is not None and first <= end <= last and in_slice(question, account)
    ]
    return statistic(days, question.params.get("stat", "mean"))


def _contract_cases(question: Question, end: Callable[[list[Bill]], date | None]) -> Fraction | None:
    """Days from the signature of a contract; `end` is told of its bills, the first one first."""
    ledger = Ledger.of(question)
    cases = []
    for row in question.tables.rows("contracts"):
        bills = [bill for bill in ledger.bills.values() if bill.contract_id == row["contract_id"]]
        bills.sort(key=lambda bill: (bill.issued_on, bill.invoice_id))
        if row["signed_at"] is None or not bills or (signed := question.day_of(row["signed_at"])) > question.now:
            continue
        account = question.accounts.survivor(row["account_id"]) or bills[0].account_id
        cases.append((account, end(bills), signed))
    return _durations(question, cases)


def sign_to_invoice_days(question: Question) -> Fraction | None:
    """From the signature to the first bill."""
    return _contract_cases(question, lambda bills: bills[0].issued_on)


def invoice_to_cash_days(question: Question) -> Fraction | None:
    """From the issue of a bill to its settlement."""
    ledger = Ledger.of(question)
    return _durations(
        question, [(bill.account_id, ledger.settled_on(bill), bill.issued_on) for bill in ledger.bills.values()]
    )


def close_to_cash_days(question: Question) -> Fraction | None:
    """From the signature to the cash."""
    ledger = Ledger.of(question)

    def all_paid(bills: list[Bill]) -> date | None:
        days = [ledger.settled_on(bill) for bill in bills]
        return max(day for day in days if day) if all(days) else None

    ends: dict[str, Callable[[list[Bill]], date | None]] = {
        "first_invoice_paid": lambda bills: ledger.settled_on(bills[0]),
        "first_payment": ledger.first_payment,
        "all_paid": all_paid,
    }
    return _contract_cases(question, ends[question.params.get("until", "first_invoice_paid")])


def receivables(question: Question, day: date | None = None, *, late: bool = False) -> Fraction | None:
    """What is owed at the end of a day, by default the closing day; with `late`, after its due day."""
    ledger = Ledger.of(question)
    on = day or question.closing_day
    amounts = []
    for name, owed in ledger.owed(on).items():
        bill = ledger.bills[name]
        if not in_slice(question, bill.account_id):
            continue
        if late and bill.due_on is not None and bill.due_on >= on and owed is not None:
            continue
        known = owed is not None and (bill.due_on is not None or not late)
        amounts.append(question.rates.convert(owed, bill.currency, on) if known and owed is not None else None)
    return total(amounts)


def overdue_amount(question: Question) -> Fraction | None:
    """What is owed past its due day."""
    return receivables(question, late=True)


def overdue_rate(question: Question) -> Fraction | None:
    """Overdue over receivables."""
    return ratio(overdue_amount(question), receivables(question))


def on_time_payment_rate(question: Question) -> Fraction | None:
    """Of the bills due in the period the part that was settled at the end of the due day."""
    ledger = Ledger.of(question)
    settled: list[Fraction | None] = []
    due: list[Fraction | None] = []
    for bill in ledger.bills.values():
        if bill.due_on is None or not question.period.start <= bill.due_on <= question.closing_day:
            continue
        if not in_slice(question, bill.account_id):
            continue
        if ledger.own_balance(bill, question.now) is None:
            return None  # what was settled then may be known, but the bill is not trusted
        if bill.due_on < bill.issued_on:
            owed = ledger.own_balance(bill, bill.due_on)
        else:
            owed = ledger.owed(bill.due_on).get(bill.invoice_id, Fraction(0))
        part = None if owed is None else min(bill.amount, max(Fraction(0), bill.amount - owed))
        settled.append(None if part is None else question.rates.convert(part, bill.currency, bill.due_on))
        due.append(question.rates.convert(bill.amount, bill.currency, bill.due_on))
    return ratio(total(settled), total(due))


def invoiced(question: Question, first: date, last: date) -> Fraction | None:
    """Bills less credit notes by day of issue."""
    return total(
        question.rates.convert(amount, currency, day)
        for account, currency, day, amount in Ledger.of(question).billed
        if first <= day <= last and in_slice(question, account)
    )


def days_sales_outstanding(question: Question) -> Fraction | None:
    """Receivables in days of billing."""
    owed, end = receivables(question), question.closing_day + DAY
    if question.params.get("method", "window") == "countback":
        return _counted_back(question, owed, end)
    months = question.params.get("window_months")
    first = add_months(end, -(months or 3))
    if months is None and question.period.start != BEGINNING:
        first = min(first, question.period.start)
    share = ratio(owed, invoiced(question, first, question.closing_day))
    return None if share is None else share * (end - first).days


def _counted_back(question: Question, owed: Fraction | None, end: date) -> Fraction | None:
    if owed is None:
        return None
    windows = [(add_months(end, -number), add_months(end, 1 - number) - DAY) for number in range(1, 37)]
    known = [invoiced(question, *window) for window in windows]
    if not any(amount is not None and amount > 0 for amount in known):
        return None
    rest, days = owed, Fraction(0)
    for (first, last), billed in zip(windows, known, strict=True):
        if rest <= 0:
            break
        if billed is None:
            return None
        length = (last - first).days + 1
        if billed >= rest:
            return days + length * rest / billed
        rest, days = rest - billed, days + length
    return days


def collection_effectiveness_index(question: Question) -> Fraction | None:
    """What was collected of what could be."""
    opening = receivables(question, question.opening_day)
    billed = invoiced(question, question.period.start, question.closing_day)
    closing, late = receivables(question), overdue_amount(question)
    parts = [opening, billed, closing, late]
    if any(part is None for part in parts):
        return None
    before, during, after, overdue = (part or Fraction(0) for part in parts)
    return ratio(before + during - after, before + during - (after - overdue))


def _of_received(question: Question, wanted: str) -> Fraction | None:
    def sum_of(kind: str) -> Fraction | None:
        return total(
            question.rates.convert(amount, currency, day)
            for found, account, currency, day, amount in Ledger.of(question).money
            if found == kind and question.period.start <= day <= question.closing_day and in_slice(question, account)
        )

    return ratio(sum_of(wanted), sum_of("payment"))


def refund_rate(question: Question) -> Fraction | None:
    """Refunds over payments received."""
    return _of_received(question, "refund")


def clawback_rate(question: Question) -> Fraction | None:
    """Clawbacks over payments received."""
    return _of_received(question, "clawback")


CALCULATIONS: dict[str, Callable[[Question], Any]] = {
    calculate.__name__: calculate
    for calculate in (
        sign_to_invoice_days,
        invoice_to_cash_days,
        close_to_cash_days,
        receivables,
        overdue_amount,
        overdue_rate,
        on_time_payment_rate,
        days_sales_outstanding,
        collection_effectiveness_index,
        refund_rate,
        clawback_rate,
    )
}
"""Every metric of this module by its name."""
