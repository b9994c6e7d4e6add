"""Who stayed and what they pay: the same customers on two days, cohorts, and survival."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from .money import ratio, total
from .movements import Movement, amount_of, movements
from .periods import DAY, Period, add_months, whole_months
from .question import Question
from .subscriptions import Book


def _complement(share: Fraction | None) -> Fraction | None:
    return None if share is None else 1 - share


def _events(question: Question, book: Book, opening: date) -> list[Movement]:
    return movements(book, opening, question.closing_day)


def logo_churn_rate(question: Question) -> Fraction | None:
    """The share of the opening customers that is not there on the closing day, or that left in between."""
    book = Book.of(question)
    opening = book.customers(question.opening_day)
    method = question.params.get("method", "cohort")
    if method == "cohort":
        lost = {account_id for account_id in opening if not book.is_customer(account_id, question.closing_day)}
        return ratio(len(lost), len(opening))
    moves = _events(question, book, question.opening_day)
    left = {move.account_id for move in moves if move.kind == "churn"}
    if method == "events":
        return ratio(len(left & set(opening)), len(opening))
    joined = {move.account_id for move in moves if move.kind == "new"}
    return ratio(len(left), len(opening) + len(joined))


def customer_retention_rate(question: Question) -> Fraction | None:
    """What is left of customer churn."""
    return _complement(logo_churn_rate(question))


def revenue_retention(question: Question, *, gross: bool) -> Fraction | None:
    """Gross or net revenue retention over the trailing window."""
    months = question.params.get("window_months", 12)
    opening = add_months(question.closing_day + DAY, -months) - DAY
    return _retained(question, opening, gross=gross)


def _retained(question: Question, opening: date, *, gross: bool) -> Fraction | None:
    book = Book.of(question)
    closing = question.closing_day
    members = book.customers(opening)
    base = total(book.mrr(account_id, opening) for account_id in members)
    if question.params.get("method", "cohort") == "movements":
        moves = [move for move in _events(question, book, opening) if move.account_id in members]
        gained = Fraction(0) if gross else amount_of(moves, "expansion")
        lost = total([amount_of(moves, "churn"), amount_of(moves, "contraction")])
        return ratio(None if lost is None else total([base, gained, -lost]), base)
    rates_of = opening if question.params.get("fx", "constant") == "constant" else closing
    kept = []
    for account_id in members:
        before, after = book.mrr(account_id, opening), book.mrr(account_id, closing, rates_of)
        known = before is not None and after is not None
        kept.append((min(before, after) if gross else after) if known else None)  # type: ignore[type-var]
    return ratio(total(kept), base)


def revenue_churn_rate(question: Question, *, gross: bool) -> Fraction | None:
    """What the period itself lost of its opening revenue, with or without the growth of those who stayed."""
    if gross and question.params.get("method", "cohort") == "events":
        book = Book.of(question)
        moves = _events(question, book, question.opening_day)
        lost = total([amount_of(moves, "churn"), amount_of(moves, "contraction")])
        return ratio(lost, book.total_mrr(question.opening_day))
    return _complement(_retained(question, question.opening_day, gross=gross))


def _cohort(question: Question) -> tuple[Book, dict[str, date], date]:
    """The book, each member's first paying day, and the day on which the cohort is looked at."""
    cohort = Period.named(question.params["cohort"])
    looked_at = cohort.shifted(question.params["age"]).end - DAY
    book = Book.of(question)
    first = {account_id: min(days) for account_id in book.accounts if (days := book.paying_days(account_id))}
    return book, {a: day for a, day in first.items() if cohort.start <= day < cohort.end}, looked_at


def cohort_customer_retention(question: Question) -> Fraction | None:
    """Of those whose first paying day lies in the cohort, the share that are customers some periods later."""
    book, members, day = _cohort(question)
    if day > question.now:
        return None
    return ratio(sum(book.is_customer(account_id, day) for account_id in members), len(members))


def cohort_revenue_retention(question: Question) -> Fraction | None:
    """What the cohort pays some periods later over what its members paid on their first days, at first-day rates."""
    book, members, day = _cohort(question)
    if day > question.now:
        return None
    gross = question.params.get("measure", "net") == "gross"
    first_amounts, amounts = [], []
    for account_id, first in members.items():
        start, later = book.mrr(account_id, first), book.mrr(account_id, day, first)
        first_amounts.append(start)
        amounts.append(min(start, later) if gross and start is not None and later is not None else later)
    return ratio(total(amounts), total(first_amounts))


def survival_rate(question: Question) -> Fraction | None:
    """Kaplan-Meier: the chance of still being a customer after that many whole months."""
    book = Book.of(question)
    tenures: list[tuple[int, bool]] = []
    for account_id in book.accounts:
        days = [day for day in book.paying_days(account_id) if day <= question.closing_day]
        if not days:
            continue
        end = days[0]
        while end <= question.closing_day and book.is_customer(account_id, end):
            end += DAY
        tenures.append((whole_months(days[0], end), end <= question.closing_day))
    age = question.params["age"]
    if not tenures or age > max(months for months, _ in tenures):
        return None
    survival = Fraction(1)
    for month in range(age + 1):
        at_risk = sum(months >= month for months, _ in tenures)
        left = sum(months == month and event for months, event in tenures)
        survival *= 1 - Fraction(left, at_risk)
    return survival
