"""The MRR of a month as foreseen at the close of the month before, factor by factor."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from . import movements, recurring, retention
from .money import quantile, ratio, total
from .periods import DAY, Period
from .question import Question
from .subscriptions import Book

Months = list[Question]
REACH = 3 * Fraction(14826, 10000)


class Unknown(Exception):  # noqa: N818 -- an answer, not an error
    """Something that the prediction needs cannot be told."""


def _told(value: Fraction | None) -> Fraction:
    if value is None:
        raise Unknown
    return value


def _kept(values: list[Fraction], question: Question) -> list[Fraction]:
    """The values whose mean is taken."""
    if question.params.get("outliers", "keep") == "keep" or len(values) < 3:
        return values
    half = Fraction(1, 2)
    middle = _told(quantile(values, half))
    deviation = _told(quantile([abs(value - middle) for value in values], half))
    return values if deviation == 0 else [value for value in values if abs(value - middle) <= REACH * deviation]


def _mean(values: Iterable[Fraction], question: Question) -> Fraction:
    kept = _kept(list(values), question)
    if not kept:
        raise Unknown
    return sum(kept, Fraction(0)) / len(kept)


def _at(question: Question, period: Period) -> Question:
    """The same company and slice in another month, under the default parameters."""
    return question.asking(period=period, params={})


def _mrr(question: Question, period: Period) -> Fraction:
    return _told(recurring.mrr(_at(question, period)))


def predicted_mrr(question: Question) -> Fraction | None:
    """The MRR of the month, or None where it cannot be foreseen."""
    base = question.period.shifted(-1) if question.period.grain == "month" else None
    if base is None or base.start > question.now:
        return None
    months = [_at(question, base.shifted(-back)) for back in range(question.params.get("history_months", 3))]
    try:
        predicted = _by_method(question, base, months)
        return predicted * _season(question, base) if question.params.get("seasonality") else predicted
    except Unknown:
        return None


def _by_method(question: Question, base: Period, months: Months) -> Fraction:
    method = question.params.get("method", "churn_and_activation")
    if method == "mom":
        pairs = [(_mrr(question, month.period.shifted(-1)), _mrr(question, month.period)) for month in months]
        return _mrr(question, base) * (1 + _mean([new / old - 1 for old, new in pairs if old > 0], question))
    if method == "yoy":
        then = _mrr(question, question.period.a_year_before())
        return then * _told(ratio(_mrr(question, base), _mrr(question, base.a_year_before())))
    if method == "run_rate":
        return _run_rate(question, base)
    if method == "retained_growth":
        stays = _mean([_retained(month, gross=False) for month in months if _opened(month)], question)
    elif question.params.get("churn", "logo") == "revenue":
        stays = 1 - _mean([1 - _retained(month, gross=True) for month in months if _opened(month)], question)
    else:
        stays = 1 - _mean([_told(retention.logo_churn_rate(month)) for month in months if _started(month)], question)
    return _mrr(question, base) * stays + _gained(question, months)


def _started(month: Question) -> bool:
    return bool(Book.of(month).customers(month.opening_day))


def _opened(month: Question) -> bool:
    """Whether anybody was a customer at the start of the month that ends with the closing day."""
    return _monthly(month) is not None


def _monthly(month: Question) -> Question | None:
    asked = month.asking(params={"window_months": 1})
    book = Book.of(asked)
    after = asked.closing_day + DAY
    from_day = Period("month", after, after).shifted(-1).start - DAY
    return asked if book.customers(from_day) else None


def _retained(month: Question, *, gross: bool) -> Fraction:
    asked = month.asking(params={"window_months": 1})
    return _told(retention.revenue_retention(asked, gross=gross))


def _gained(question: Question, months: Months) -> Fraction:
    new = [_told(movements.moved(month, "new")) for month in months]
    if question.params.get("activation", "leads") == "new_mrr":
        returned = [_told(movements.moved(month, "reactivation")) for month in months]
        return _mean([one + other for one, other in zip(new, returned, strict=True)], question)
    if not question.tables.loaded("leads"):
        raise Unknown
    leads = [_leads(month) for month in months]
    customers = [movements.accounts_moved(month, "new") for month in months]
    share = _mean([won / number for won, number in zip(customers, leads, strict=True) if number], question)
    worth = sum(new, Fraction(0)) / sum(customers) if sum(customers) else Fraction(0)
    return _mean(leads, question) * share * worth


def _leads(month: Question) -> Fraction:
    """Leads created in the month, duplicates left out, of accounts within the slice."""

    def counts(lead: dict[str, object]) -> bool:
        account = lead["account_id"]
        inside = all(month.accounts.dimension(account, name) == value for name, value in month.by.items())  # type: ignore[arg-type] # text or nothing
        return not lead["duplicate_of"] and month.within(lead["created_at"]) and inside  # type: ignore[arg-type] # an instant

    return Fraction(sum(counts(lead) for lead in month.tables.rows("leads")))


def _run_rate(question: Question, base: Period) -> Fraction:
    """Every day earns its MRR divided by the days of its month."""
    book, last = Book.of(_at(question, base)), min(base.end - DAY, question.now)
    days = [base.start + number * DAY for number in range((last - base.start).days + 1)]
    length = (base.end - base.start).days
    earned = _told(total(book.total_mrr(day) for day in days)) / length
    return earned / len(days) * (question.period.end - question.period.start).days


def _season(question: Question, base: Period) -> Fraction:
    """The mean growth of this month of the year over that of all months."""
    ratios: list[tuple[int, Fraction]] = []
    month = base
    while (before := _mrr(question, month.shifted(-1))) > 0:
        ratios.append((month.start.month, _mrr(question, month) / before))
        month = month.shifted(-1)
    same = [growth for number, growth in ratios if number == question.period.start.month]
    if len(ratios) < 12 or not same:
        raise Unknown
    mean = sum((growth for _, growth in ratios), Fraction(0)) / len(ratios)
    return _told(ratio(sum(same, Fraction(0)) / len(same), mean))
