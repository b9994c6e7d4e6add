"""Unit economics by brute force: margin, lifetime value, the cost of acquisition and of operations."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

from . import movements
from .growth import at_rate, days, employed, of_days, won_deals
from .money import ratio, total
from .periods import DAY, Period, add_months, whole_months
from .question import Question
from .subscriptions import Book
from .tables import Row


def _expenses(question: Question, first: date, last: date) -> list[Row]:
    return [
        row
        for row in question.tables.rows("expenses")
        if first <= row["incurred_on"] <= min(last, question.now)
        and all(
            (row[name] or "unknown") == wanted
            for name, wanted in question.by.items()
            if name in {"category", "department", "channel", "campaign_id"}
        )
    ]


def _spent(question: Question, rows: list[Row]) -> Fraction | None:
    return total(at_rate(question, row["amount"], row["currency"], row["incurred_on"]) for row in rows)


def _margin_of_days(question: Question, first: date, last: date) -> Fraction | None:
    """For the whole company: what recurring revenue leaves over after the cost of goods."""
    company = question.asking(by={})
    goods = [row for row in _expenses(company, first, last) if row["category"] == "cogs"]
    if not company.tables.loaded("expenses") or not goods:
        return None
    earned, spent = of_days(company, first, last, "recurring"), _spent(company, goods)
    return None if earned is None or spent is None else ratio(earned - spent, earned)


def gross_margin(question: Question) -> Fraction | None:
    """The margin of the period itself."""
    return _margin_of_days(question, question.period.start, question.closing_day)


def _margin(question: Question) -> Fraction | None:
    if question.params.get("basis", "margin") == "revenue":
        return Fraction(1)
    if question.params.get("gross_margin") is not None:
        return Fraction(str(question.params["gross_margin"]))
    closing = question.closing_day
    return _margin_of_days(question, add_months(closing + DAY, -12), closing)


def _per_account(question: Question) -> Fraction | None:
    book, day = Book.of(question), question.closing_day
    return ratio(book.total_mrr(day), len(book.customers(day)))


def _product(*factors: Fraction | None) -> Fraction | None:
    result = Fraction(1)
    for factor in factors:
        if factor is None:
            return None
        result *= factor
    return result


def lifetime_value(question: Question) -> Fraction | None:
    """Revenue per account x margin x months, one over the pooled churn of the last months."""
    book, lost, there = Book.of(question), 0, 0
    for back in range(question.params.get("churn_months", 12)):
        closing = add_months(question.closing_day + DAY, -back) - DAY
        opening = add_months(closing + DAY, -1) - DAY
        before = book.customers(opening)
        there += len(before)
        lost += sum(not book.is_customer(account_id, closing) for account_id in before)
    cap = question.params.get("lifetime_cap_months")
    if not there or (not lost and cap is None):
        return None
    months = Fraction(there, lost) if lost else None
    if cap is not None:
        months = Fraction(cap) if months is None else min(months, Fraction(cap))
    return _product(_per_account(question), _margin(question), months)


def lifetime_value_historic(question: Question) -> Fraction | None:
    """What the members of a cohort paid up to an age, for each of them."""
    cohort = Period.named(question.params["cohort"])
    last = cohort.shifted(question.params["age"]).end - DAY
    if last > question.now:
        return None
    if question.params.get("basis", "margin") == "margin" and question.params.get("gross_margin") is None:
        return None
    book = Book.of(question)
    members = [
        account_id
        for account_id in book.accounts
        if (paying := book.paying_days(account_id)) and cohort.start <= min(paying) < cohort.end
    ]
    parts = []
    for account_id in members:
        for day in days(cohort.start, last):
            amount = book.mrr(account_id, day)
            parts.append(None if amount is None else amount / monthrange(day.year, day.month)[1])
    return ratio(_product(total(parts), _margin(question)), len(members))


def _growth(rate: float, months: int) -> Fraction:
    """What 1 grows to in so many months at a yearly rate, to forty digits."""
    with localcontext(prec=40):
        return Fraction((1 + Decimal(str(rate))) ** (Decimal(months) / 12))


def lifetime_value_survival(question: Question) -> Fraction | None:
    """The sum of the survival curve, discounted, up to the horizon or the longest tenure."""
    book, closing = Book.of(question), question.closing_day
    tenures: list[tuple[int, bool]] = []
    for account_id in book.accounts:
        paying = [day for day in book.paying_days(account_id) if day <= closing]
        if paying:
            end = paying[0]
            while end <= closing and book.is_customer(account_id, end):
                end += DAY
            tenures.append((whole_months(paying[0], end), end <= closing))
    if not tenures:
        return None
    alive, area = Fraction(1), Fraction(0)
    for month in range(min(question.params.get("horizon_months", 60), max(tenures)[0] + 1)):
        at_risk = sum(tenure >= month for tenure, _ in tenures)
        alive *= 1 - Fraction(sum(tenure == month and gone for tenure, gone in tenures), at_risk)
        area += alive / _growth(question.params.get("discount_rate", 0), month)
    return _product(area, _per_account(question), _margin(question))


def acquisition_cost(question: Question) -> Fraction | None:
    """What the departments spent on it, in the days of the period moved back by the lag."""
    lag, first, last = question.params.get("lag_months", 0), question.period.start, question.closing_day
    if lag:
        first, last = add_months(first, -lag), add_months(question.period.end, -lag) - DAY
    departments = question.params.get("departments", ("sales", "marketing"))
    variant = question.params.get("variant", "blended")
    counted = [
        row
        for row in _expenses(question, first, last)
        if row["department"] in departments
        and row["category"] != "cogs"
        and (variant != "new" or row["purpose"] in (None, "acquisition"))
        and (variant != "paid" or row["category"] == "advertising")
    ]
    return _spent(question, counted)


def _first_wins(question: Question) -> dict[str, Row]:
    wins: dict[str, Row] = {}
    for row in sorted(won_deals(question), key=lambda row: (row["closed_at"], row["opportunity_id"])):
        account_id = question.accounts.survivor(row["account_id"])
        if account_id is not None:
            wins.setdefault(account_id, row)
    return wins


def _acquired(question: Question) -> set[str]:
    """The accounts that became customers in the period."""
    company = question.asking(by={})
    if question.params.get("customers", "mrr") == "won":
        wins = _first_wins(company)
        return {account_id for account_id, row in wins.items() if company.within(row["closed_at"])}
    book = Book.of(company)
    first = {account_id: min(paid) for account_id in book.accounts if (paid := book.paying_days(account_id))}
    return {account_id for account_id, day in first.items() if company.period.start <= day <= company.closing_day}


def _path_departments(question: Question, deal: Row) -> set[str]:
    """The departments of the touches of a deal in the 90 days before its closing."""
    account_id = question.accounts.survivor(deal["account_id"])
    found = set()
    for touch in question.tables.rows("touchpoints"):
        if touch["opportunity_id"]:
            belongs = touch["opportunity_id"] == deal["opportunity_id"]
        elif touch["lead_id"]:
            belongs = touch["lead_id"] == deal["lead_id"]
        else:
            belongs = touch["account_id"] is not None and question.accounts.survivor(touch["account_id"]) == account_id
        if belongs and timedelta(0) <= deal["closed_at"] - touch["occurred_at"] <= timedelta(days=90):
            found.add(touch["department"] or "unknown")
    return found


def customer_acquisition_cost(question: Question) -> Fraction | None:
    """Cost over new customers: by department all, or those it had a part in; by channel those of the channel."""
    if not question.tables.loaded("expenses"):
        return None
    acquired = _acquired(question)
    channel_of = {account_id: question.accounts.dimension(account_id, "channel") for account_id in acquired}
    if "channel" in question.by:
        acquired = {account_id for account_id in acquired if channel_of[account_id] == question.by["channel"]}
    elif question.params.get("variant") == "paid":
        bought = {
            row["channel"]
            for row in _expenses(question.asking(by={}), date.min, question.now)
            if row["category"] == "advertising" and row["amount"] > 0
        }
        acquired = {account_id for account_id in acquired if channel_of[account_id] in bought - {None}}
    credit = question.params.get("credit", "all")
    if credit != "all":
        if "department" not in question.by:
            return None
        wins, wanted = _first_wins(question), question.by["department"]
        paths = {a: _path_departments(question, wins[a]) for a in acquired if a in wins}
        acquired = {a for a, path in paths.items() if (path == {wanted} if credit == "actioned" else wanted in path)}
    return ratio(acquisition_cost(question), len(acquired))


def _company_movement(question: Question, kind: str) -> Fraction | None:
    return movements.moved(question, kind)


def customer_acquisition_cost_ratio(question: Question) -> Fraction | None:
    """Cost over twelve times what was gained."""
    gained = [_company_movement(question, "new")]
    if question.params.get("variant", "blended") == "blended":
        gained.append(_company_movement(question, "expansion"))
    return ratio(acquisition_cost(question), _product(Fraction(12), total(gained)))


def customer_acquisition_payback_months(question: Question) -> Fraction | None:
    """Cost over the monthly margin of what is new."""
    return ratio(acquisition_cost(question), _product(_company_movement(question, "new"), _margin(question)))


def lifetime_value_to_acquisition_cost(question: Question) -> Fraction | None:
    """Lifetime value over acquisition cost."""
    return ratio(lifetime_value(question), customer_acquisition_cost(question))


def operating_expenses(question: Question) -> Fraction | None:
    """From the books, or from salaries, commissions, campaigns and the booked rest."""
    first, last = question.period.start, question.closing_day
    if question.params.get("method", "ledger") == "ledger":
        return _spent(question, [row for row in _expenses(question, first, last) if row["category"] != "cogs"])
    booked = ("rent", "utilities", "tools", "supplies", "other")
    rest = _spent(question, [row for row in _expenses(question, first, last) if row["category"] in booked])
    return total([_salaries(question, first, last), _commissions(question), _campaigns(question), rest])


def _asked(question: Question, category: str, department: str | None) -> bool:
    return question.by.get("category", category) == category and question.by.get(
        "department", department or "unknown"
    ) == (department or "unknown")


def _salaries(question: Question, first: date, last: date) -> Fraction | None:
    if question.by.get("category", "compensation") != "compensation":
        return Fraction(0)
    hired = [row["hired_on"] for row in question.tables.rows("people") if row["hired_on"]]
    parts = []
    for day in days(max(first, min(hired, default=last)), last):
        for row in employed(question, day):
            yearly = row["annual_salary"]
            part = None if yearly is None else yearly / 12 / monthrange(day.year, day.month)[1]
            parts.append(None if part is None else at_rate(question, part, row["currency"], day))
    return total(parts)


def _part(question: Question, row: Row, first: date, until: date, amount: Fraction, *, late: bool) -> Fraction | None:
    """The part of an amount for the days from `first` to before `until` that falls into the period."""
    begin, end = max(first, question.period.start), min(until - DAY, question.closing_day)
    if end < begin:
        return Fraction(0)
    part = amount * ((end - begin).days + 1) / (until - first).days
    return at_rate(question, part, row["currency"], end if late else begin)


def _commissions(question: Question) -> Fraction | None:
    department = {row["person_id"]: row["department"] for row in question.tables.rows("people")}
    return total(
        _part(question, row, row["period_start"], row["period_end"], row["amount"], late=True)
        for row in question.tables.rows("commissions")
        if _asked(question, "commission", department.get(row["person_id"])) and row["period_end"] > row["period_start"]
    )


def _campaigns(question: Question) -> Fraction | None:
    return total(
        _part(question, row, row["started_on"], row["ended_on"] or row["started_on"] + DAY, row["budget"], late=False)
        for row in question.tables.rows("campaigns")
        if _asked(question, "advertising", row["department"]) and row["budget"] is not None
    )
