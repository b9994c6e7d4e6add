"""Operating expenses: what it costs to run the company, from the books or from what drives it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ibis import _

from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import At, Measure, Worked, accrual, balance, total
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.costs import COST_OF_GOODS
from revgauge.model.period import DAY, Period

BOOKED = ("rent", "utilities", "tools", "supplies", "other")
"""The categories that have no other driver than what is booked."""


def _first_day(period: Period) -> Period:
    """The first day of the period alone."""
    return replace(period, end=period.start + DAY, grain="day", label=f"{period.start}")


def _salaries(salary_earnings: Facts) -> Measure:
    """What those employed earn day by day; not known while the salary of one of them is not."""
    yearly = accrual(salary_earnings, "amount", currency="currency", pace="month")
    there = At(balance(salary_earnings, "unpaid"), _first_day)
    hired = total(salary_earnings, "unpaid", where=_.unpaid > 0)
    known = Worked(
        lambda paid, there, hired: None if there or hired else paid,
        (yearly, there, hired),
        "the salary of somebody who was employed is not known",
    )
    return known / 12


@metric(
    label="Operating expenses",
    unit=Unit.MONEY,
    better="down",
    aliases=("opex",),
    excluded=("channel", "campaign_id"),
)
def operating_expenses(
    booked_expenses: Facts,
    salary_earnings: Facts,
    spread_costs: Facts,
    *,
    method: Literal["ledger", "drivers"] = "ledger",
) -> Measure:
    """What running the company costs, without the cost of goods.

    `ledger`: the expenses that are booked in the period. `drivers`: the salaries of those employed, day by day, and
    commissions, spread over the days that they are for, and the budgets of campaigns, spread over their days, and what
    is booked for rent, utilities, tools, supplies and others. The two are never added: both have compensation and
    advertising in them.

    Unit: money
    Formula: sum of expenses of all categories but cogs; drivers: salaries + commissions + budgets + booked rest
    Null: an amount is in a currency without a rate, a salary is not known, or one of the sources was never loaded
    Edges: loaded but nothing booked is 0; a campaign without an end is spent on its first day
    Seed: S2 (its components), S1 (time saved, in money)
    Source: farris-metrics
    So what: what revenue operations can save; compare it for each head and for each unit of revenue
    """
    if method == "ledger":
        return total(booked_expenses, "amount", where=_.category != COST_OF_GOODS, gap=_.unconverted)
    rest = total(booked_expenses, "amount", where=_.category.isin(BOOKED), gap=_.unconverted)
    return _salaries(salary_earnings) + total(spread_costs, "amount", gap=_.unconverted) + rest
