"""The stocks of recurring revenue: MRR and its other bases, ARR, customers, revenue per account and per user."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction

from .money import ratio, total
from .periods import DAY, add_months, term_months
from .question import Question
from .subscriptions import ACCOUNT_DIMENSIONS, Book


def mrr(question: Question) -> Fraction | None:
    """Monthly recurring revenue on the closing day."""
    basis = question.params.get("basis", "subscription")
    if basis == "contract":
        return _by_contract(question)
    if basis == "arpu_users":
        return _by_bills(question)
    if not question.tables.loaded("subscription_periods"):
        return None
    return Book.of(question).total_mrr(question.closing_day, _rate_day(question))


def _rate_day(question: Question) -> date:
    if question.params.get("fx", "spot") == "constant":
        return date.fromisoformat(question.params["fx_on"])
    return question.closing_day


def arr(question: Question) -> Fraction | None:
    """Twelve times MRR."""
    monthly = mrr(question)
    return None if monthly is None else 12 * monthly


def active_customers(question: Question) -> Fraction | None:
    """Paying accounts on the closing day."""
    return Fraction(len(Book.of(question).customers(question.closing_day)))


def revenue_per_account(question: Question) -> Fraction | None:
    """MRR over paying accounts."""
    return ratio(mrr(question), active_customers(question))


def revenue_per_user(question: Question) -> Fraction | None:
    """MRR over seats, over active users, or over accounts."""
    users = question.params.get("users", "quantity")
    if users == "accounts":
        return revenue_per_account(question)
    seen = _active_users(question) if users == "active_users" else _seats(question)
    return ratio(mrr(question), seen)


def _seats(question: Question) -> Fraction | None:
    """Quantities of the customers' live rows; one unknown quantity makes the sum unknown."""
    book, day = Book.of(question), question.closing_day
    return total(line.quantity for account_id in book.customers(day) for line in book.live(account_id, day))


def _active_users(question: Question) -> Fraction | None:
    """Each customer's highest number of active users in the closing month so far; a customer without usage has none."""
    if not question.tables.loaded("product_usage"):
        return None
    book, day = Book.of(question), question.closing_day
    highest: dict[str, Fraction] = defaultdict(Fraction)
    for row in question.tables.rows("product_usage"):
        if day.replace(day=1) <= row["used_on"] <= day and row["active_users"] is not None:
            account_id = question.accounts.survivor(row["account_id"]) or "unknown"
            highest[account_id] = max(highest[account_id], row["active_users"])
    return sum((highest[account_id] for account_id in book.customers(day)), Fraction(0))


def _in_account_slice(question: Question, account_id: str | None) -> bool:
    return all(
        question.accounts.dimension(account_id, name) == wanted
        for name, wanted in question.by.items()
        if name in ACCOUNT_DIMENSIONS
    )


def _by_contract(question: Question) -> Fraction | None:
    """Contract values spread evenly over their terms."""
    if not question.tables.loaded("contracts"):
        return None
    day = question.closing_day
    amounts = []
    for row in question.tables.rows("contracts"):
        running = row["starts_on"] <= day and (row["ends_on"] is None or day < row["ends_on"])
        if running and _in_account_slice(question, row["account_id"]):
            term = None if row["ends_on"] is None else term_months(row["starts_on"], row["ends_on"])
            value = None if row["value"] is None else ratio(row["value"], term)
            rate_day = _rate_day(question)
            amounts.append(None if value is None else question.rates.convert(value, row["currency"], rate_day))
    return total(amounts)


def _by_bills(question: Question) -> Fraction | None:
    """The seed's reading for a shop that bills without subscriptions: ARPU of the window times users of the month."""
    if not question.tables.loaded("invoices"):
        return None
    day = question.closing_day
    month = day.replace(day=1)
    window = add_months(month, 1 - question.params.get("arpu_months", 1))
    billed: dict[date, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for row in question.tables.rows("invoices"):
        if not (window <= row["issued_on"] <= day) or row["amount"] is None:
            continue
        if not _in_account_slice(question, row["account_id"]):
            continue
        amount = question.rates.convert(abs(row["amount"]), row["currency"], row["issued_on"])
        if amount is None:
            return None
        credit = row["kind"] == "credit_note" or row["amount"] < 0
        account_id = question.accounts.survivor(row["account_id"]) or "unknown"
        billed[row["issued_on"].replace(day=1)][account_id] += -amount if credit else amount
    users = {start: sum(net > 0 for net in accounts.values()) for start, accounts in billed.items()}
    billings = sum((net for accounts in billed.values() for net in accounts.values()), Fraction(0))
    per_user = ratio(billings, sum(users.values()))
    return None if per_user is None else per_user * users.get(month, 0)


def mrr_growth_rate(question: Question) -> Fraction | None:
    """Closing MRR against that of the period before, or of the same period a year before, less one; at spot."""
    period = question.period
    if period.grain == "all":
        return None
    yoy = question.params.get("compare", "prev") == "yoy"
    base_day = (period.a_year_before() if yoy else period.shifted(-1)).end - DAY
    book = Book.of(question)
    grown = ratio(book.total_mrr(question.closing_day), book.total_mrr(base_day))
    return None if grown is None else grown - 1
