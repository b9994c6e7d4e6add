"""Gross margin and operating expenses: single rules of the standard, and what must hold in any world."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.catalogue.worlds import Rows
from tests.metrics.drawn import Look, close
from tests.metrics.small import asked, booked, subscribed
from tests.oracle.generate_economics import economics_world

MARGIN = {
    "subscription_periods": subscribed(("a", "2024-01-01", "", "100")),
    "expenses": booked(("2025-05-10", "cogs", "30"), ("2025-06-10", "rent", "10")),
    "accounts": [{"account_id": "a", "segment": "smb"}],
}
"""100 a month, of which 30 were spent on serving in May."""


@pytest.mark.slow
def test_a_margin_without_cost_of_goods_is_unknown_and_with_none_of_it_is_whole() -> None:
    """May leaves (100 - 30) / 100; June books no cost of goods, so its margin is not known; a booked 0 makes it 1."""
    assert asked(MARGIN, "gross_margin", "2025-05").value == Decimal("0.7")
    june = asked(MARGIN, "gross_margin", "2025-06")
    assert june.value is None
    assert "cogs" in june.reason
    free = {**MARGIN, "expenses": booked(("2025-06-10", "cogs", "0"))}
    assert asked(free, "gross_margin", "2025-06").value == 1
    assert asked({**MARGIN, "subscription_periods": []}, "gross_margin", "2025-05").value is None


@pytest.mark.slow
def test_the_margin_of_others_is_that_of_the_company_over_twelve_months() -> None:
    """A segment without costs has the margin of the whole company: 1 - 30 / 1,200 = 0.975 in the year to June."""
    params: dict[str, Any] = {"churn_months": 1, "lifetime_cap_months": 10}
    by = {"segment": "smb"}
    assert asked(MARGIN, "lifetime_value", "2025-06", by=by, **params).value == 975
    assert asked(MARGIN, "lifetime_value", "2025-06", by=by, gross_margin="0.5", **params).value == 500
    assert asked(MARGIN, "lifetime_value", "2025-06", by=by, basis="revenue", **params).value == 1000
    before = {**MARGIN, "expenses": booked(("2024-06-30", "cogs", "30"))}
    assert asked(before, "lifetime_value", "2025-06", **params).value is None


def test_the_ledger_leaves_out_the_cost_of_goods_and_keeps_what_has_no_category() -> None:
    """10 of rent and 7 of no category make 17 in June; by category each shows alone."""
    tables = {"expenses": booked(("2025-06-01", "rent", "10"), ("2025-06-02", "", "7"), ("2025-06-03", "cogs", "5"))}
    assert asked(tables, "operating_expenses", "2025-06").value == 17
    assert asked(tables, "operating_expenses", "2025-06", by={"category": "unknown"}).value == 7
    assert asked(tables, "operating_expenses", "2025-06", by={"category": "cogs"}).value == 0


DRIVERS: dict[str, Rows] = {
    "people": [
        {
            "person_id": "1",
            "department": "sales",
            "hired_on": "2025-06-16",
            "left_on": "",
            "annual_salary": "36500",
            "currency": "EUR",
        }
    ],
    "commissions": [
        {"person_id": "1", "period_start": "2025-05-01", "period_end": "2025-07-01", "amount": "610", "currency": "EUR"}
    ],
    "campaigns": [
        {
            "campaign_id": "c",
            "department": "marketing",
            "started_on": "2025-05-22",
            "ended_on": "2025-06-11",
            "budget": "200",
            "currency": "EUR",
        },
        {"campaign_id": "d", "started_on": "2025-06-30", "ended_on": "", "budget": "40", "currency": "USD"},
    ],
    "expenses": booked(("2025-06-05", "rent", "11"), ("2025-06-05", "advertising", "900")),
    "exchange_rates": [
        {"currency": "EUR", "quoted_on": "2025-05-22", "rate": "1"},
        {"currency": "EUR", "quoted_on": "2025-06-20", "rate": "2"},
        {"currency": "EUR", "quoted_on": "2025-06-30", "rate": "3"},
    ],
}


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        # 36,500 / 12 / 30 a day: 4 days at 1, 10 at 2, 1 at 3
        ("compensation", Decimal(36500) / 360 * 27),
        # 610 over 61 days, 30 of them in June, at the rate of the last of them
        ("commission", Decimal(300 * 3)),
        # 200 over 20 days, 10 of them in June, at the rate of the first of them; 40 all on the 30th
        ("advertising", Decimal(100 + 40)),
        ("rent", Decimal(11)),
    ],
)
def test_drivers_are_spread_over_their_days_each_at_its_own_rate(category: str, expected: Decimal) -> None:
    """Salaries at the rate of each day, a commission at that of its last day, a campaign at that of its first."""
    value = asked(DRIVERS, "operating_expenses", "2025-06", method="drivers", by={"category": category}).value
    assert value is not None
    assert close(value, expected)


def test_drivers_add_up_and_never_count_what_is_booked_twice() -> None:
    """All drivers of June are the sum of the four above; the 900 booked for advertising are not among them."""
    value = asked(DRIVERS, "operating_expenses", "2025-06", method="drivers").value
    assert value is not None
    assert close(value, Decimal(36500) / 360 * 27 + 900 + 140 + 11)
    assert asked(DRIVERS, "operating_expenses", "2025-06").value == 911


@pytest.mark.slow
def test_a_salary_that_is_not_known_makes_compensation_unknown_while_somebody_has_it() -> None:
    """Who has no salary makes June unknown, and no month before or after."""
    person = {"person_id": "2", "department": "ops", "hired_on": "2025-06-10", "left_on": "2025-07-01"}
    tables = {**DRIVERS, "people": [*DRIVERS["people"], person]}
    known = [asked(tables, "opex", month, method="drivers") for month in ("2025-05", "2025-06", "2025-07")]
    assert [value.value is not None for value in known] == [True, False, True]
    assert "salary" in known[1].reason


def test_drivers_need_all_of_their_tables() -> None:
    """Without campaigns the drivers are unknown and say so; the ledger is not touched by it."""
    tables = {name: rows for name, rows in DRIVERS.items() if name != "campaigns"}
    value = asked(tables, "operating_expenses", "2025-06", method="drivers")
    assert value.value is None
    assert "campaigns" in value.reason
    assert asked(tables, "operating_expenses", "2025-06").value == 911


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("method", ["ledger", "drivers"])
def test_expenses_of_parts_make_the_whole(seed: int, method: str) -> None:
    """By category and by department operating expenses add up to all of them, in drawn worlds."""
    look = Look(economics_world(seed), seed)
    months = look.last(6)
    look.ask(("operating_expenses",), months, method=method)
    for dimension in ("category", "department"):
        look.ask(("operating_expenses",), months, dimension, method=method)
    cells = look.cells()
    told = 0
    for month in months:
        whole = cells.get("operating_expenses", month, method=method)
        for dimension in ("category", "department"):
            parts = [cells.get("operating_expenses", month, cut, method=method) for cut in cells.cuts(dimension)]
            assert (whole is None) == (None in parts)
            if whole is not None:
                told += 1
                assert close(sum((part or Decimal(0) for part in parts), Decimal(0)), whole)
    assert told
