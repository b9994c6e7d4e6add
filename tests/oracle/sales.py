"""Opportunities and sales: created, pitched, closed, won, how much, how long, how fast."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from .deals import TYPES, Deals
from .money import ratio, statistic, total
from .periods import days_later, elapsed_days
from .question import Question
from .subscriptions import ACCOUNT_DIMENSIONS
from .tables import Row


def _deals(question: Question) -> Deals:
    return Deals(question, tuple(question.params.get("types", TYPES)))


def created(deals: Deals) -> list[Row]:
    """Deals opened in the period, by their owner at creation."""
    asked = deals.question
    return [
        deal for deal in deals.rows if asked.within(deal["created_at"]) and deals.in_slice(deal, deal["created_at"])
    ]


def closed(deals: Deals, start: datetime, until: datetime) -> list[Row]:
    """Deals won or lost between two instants, by their owner at closing."""
    return [
        deal
        for deal in deals.rows
        if deal["closed_at"] is not None
        and start <= deal["closed_at"] < until
        and deals.in_slice(deal, deal["closed_at"])
    ]


def open_at(deals: Deals, instant: datetime) -> list[Row]:
    """Deals open just before an instant, by their owner then."""
    return [
        deal
        for deal in deals.rows
        if deals.is_open_at(deal, instant) and deals.in_slice(deal, instant, inclusive=False)
    ]


def _value(question: Question, amount: Any, currency: str | None, day: date) -> Fraction | None:
    return question.rates.convert(amount, currency, day)


def closing_values(question: Question, deals: Iterable[Row]) -> list[Fraction | None]:
    """Amounts of closed deals at the rates of their closing days; deals without an amount are left out."""
    return [
        _value(question, deal["amount"], deal["currency"], question.day_of(deal["closed_at"]))
        for deal in deals
        if deal["amount"] is not None
    ]


def opportunities_created_count(question: Question) -> Fraction | None:
    """Deals opened in the period."""
    return Fraction(len(created(_deals(question))))


def opportunities_created_value(question: Question) -> Fraction | None:
    """What the deals opened in the period were worth at its end, at creation, or are worth today."""
    deals = _deals(question)
    basis = question.params.get("amount", "period_end")
    amounts = []
    for deal in created(deals):
        if basis == "creation":
            amount, currency = deals.first_amount(deal)
        elif basis == "current":
            amount, currency = deal["amount"], deal["currency"]
        else:
            amount, currency = deals.amount_at(deal, question.until)
        if amount is not None:
            amounts.append(_value(question, amount, currency, question.day_of(deal["created_at"])))
    return total(amounts)


def pitched_rate(question: Question) -> Fraction | None:
    """Of the deals opened in the period, the share that was pitched: by date, by stage, or by being won."""
    deals = _deals(question)
    cohort = created(deals)

    def pitched(deal: Row) -> bool:
        if deal["won"] or question.known(deal["pitched_at"]) is not None:
            return True
        pitch = deals.pitch_position(deal)
        return pitch is not None and any(visit.position >= pitch for visit in deals.path(deal))

    return ratio(sum(pitched(deal) for deal in cohort), len(cohort))


def closed_rate(question: Question) -> Fraction | None:
    """Of the deals opened in the period, the share that was closed, or won."""
    cohort = created(_deals(question))
    only_won = question.params.get("outcome", "any") == "won"
    return ratio(sum(deal["won"] if only_won else deal["closed_at"] is not None for deal in cohort), len(cohort))


def _overdue(deals: Deals) -> list[Row]:
    """Deals open at T whose expected close lies before the last day."""
    asked = deals.question
    return [
        deal
        for deal in open_at(deals, asked.until)
        if (expected := deals.expected_close_at(deal, asked.until)) is not None and expected < asked.closing_day
    ]


def _decided(deals: Deals, start: datetime, until: datetime) -> tuple[list[Row], list[Row], list[Row]]:
    """The won deals, the closed ones they are measured against, and open ones that count beside them."""
    params = deals.question.params
    if params.get("basis", "closed") == "created":
        cohort = created(deals)
        still_open = [deal for deal in cohort if deal["closed_at"] is None]
        base = [deal for deal in cohort if deal["closed_at"] is not None]
    else:
        base, still_open = closed(deals, start, until), []
    if params.get("overdue_as_lost", False):
        present = {deal["opportunity_id"] for deal in still_open}
        still_open += [deal for deal in _overdue(deals) if deal["opportunity_id"] not in present]
    return [deal for deal in base if deal["won"]], base, still_open


def win_rate(question: Question) -> Fraction | None:
    """Deals won over deals decided."""
    won, base, still_open = _decided(_deals(question), question.start, question.until)
    return ratio(len(won), len(base) + len(still_open))


def win_rate_value(question: Question) -> Fraction | None:
    """The same in money; open deals at their amount of then and the rate of the last day."""
    deals = _deals(question)
    return win_rate_value_in(deals, question.start, question.until)


def win_rate_value_in(deals: Deals, start: datetime, until: datetime) -> Fraction | None:
    """Win rate by value of the deals closed between two instants."""
    question = deals.question
    won, base, still_open = _decided(deals, start, until)
    waiting = []
    for deal in still_open:
        amount, currency = deals.amount_at(deal, question.until)
        if amount is not None:
            waiting.append(_value(question, amount, currency, question.closing_day))
    return ratio(total(closing_values(question, won)), total([*closing_values(question, base), *waiting]))


def average_deal_value(question: Question) -> Fraction | None:
    """What a won deal is worth."""
    won = [deal for deal in closed(_deals(question), question.start, question.until) if deal["won"]]
    return _average(closing_values(question, won), question.params.get("stat", "mean"))


def _average(values: list[Fraction | None], stat: str) -> Fraction | None:
    known = [value for value in values if value is not None]
    return statistic(known, stat) if len(known) == len(values) else None


def sales_cycle_days(question: Question) -> Fraction | None:
    """From the start of a deal to its close."""
    return sales_cycle_in(_deals(question), question.start, question.until, question.params.get("stat", "mean"))


def sales_cycle_in(deals: Deals, start: datetime, until: datetime, stat: str) -> Fraction | None:
    """Statistic of the lengths, in days, of deals closed between two instants."""
    outcome = deals.question.params.get("outcome", "won")
    lengths = []
    for deal in closed(deals, start, until):
        began = _beginning(deals, deal)
        if (deal["won"] or outcome == "closed") and began is not None and began <= deal["closed_at"]:
            lengths.append(elapsed_days(began, deal["closed_at"]))
    return statistic(lengths, stat)


def _beginning(deals: Deals, deal: Row) -> datetime | None:
    from .funnel import Leads  # leads are made of deals; this is the one question the other way

    which = deals.question.params.get("start", "created")
    if which == "accepted":
        return deal["accepted_at"]  # type: ignore[no-any-return]
    if which == "lead_created":
        return Leads(deals.question).created_at_of_deal(deal)
    return deal["created_at"]  # type: ignore[no-any-return]


def lookback_start(question: Question) -> datetime:
    """Where the window for value, rate and cycle begins: the period, or that many days before T."""
    days = question.params.get("lookback_days")
    return question.start if days is None else days_later(question.until, -days, question.zone)


def sales_velocity(question: Question) -> Fraction | None:
    """Number of deals times average value times win rate, over the cycle: money per day."""
    deals = _deals(question)
    start = lookback_start(question)
    counted = closed(deals, start, question.until)
    won = [deal for deal in counted if deal["won"]]
    value = _average(closing_values(question, won), "mean")
    rate = ratio(len(won), len(counted))
    cycle = sales_cycle_in(deals, start, question.until, "mean")
    if value is None or rate is None:
        return None
    return ratio(_number_of_deals(deals) * value * rate, cycle)


def _number_of_deals(deals: Deals) -> Fraction:
    asked = deals.question
    basis = asked.params.get("count", "open")
    if basis == "created":
        return Fraction(len(created(deals)))
    at_end = len(open_at(deals, asked.until))
    if basis == "average":
        return Fraction(len(open_at(deals, asked.start)) + at_end, 2)
    return Fraction(at_end)


def won_value(question: Question, kind: str) -> Fraction | None:
    """`upsell_mrr` and `cross_sell_mrr` as seen in sales: amounts of won deals of one type."""
    deals = Deals(question, (kind,))
    won = [
        deal
        for deal in deals.rows
        if deal["won"] and question.within(deal["closed_at"]) and _of_account_slice(question, deal)
    ]
    return total(closing_values(question, won))


def _of_account_slice(question: Question, deal: Row) -> bool:
    return all(
        question.accounts.dimension(deal["account_id"], name) == wanted
        for name, wanted in question.by.items()
        if name in ACCOUNT_DIMENSIONS
    )
