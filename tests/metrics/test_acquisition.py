"""The cost of acquisition: single rules of the standard, and parts that add up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.catalogue.worlds import Rows
from tests.metrics.companies import Question
from tests.metrics.drawn import Look, close
from tests.metrics.small import answers, asked, booked, subscribed
from tests.oracle.generate_economics import economics_world


def bought(*rows: tuple[str, str, str, str, str]) -> Rows:
    """Expenses: day, department, category, channel, amount."""
    return [
        {
            "expense_id": f"e{number}",
            "incurred_on": day,
            "department": department,
            "category": category,
            "channel": channel,
            "amount": amount,
        }
        for number, (day, department, category, channel, amount) in enumerate(rows)
    ]


WORLD: dict[str, Rows] = {
    "accounts": [
        {"account_id": "a", "channel": "web"},
        {"account_id": "b", "channel": "web"},
        {"account_id": "c", "channel": "fair"},
        {"account_id": "d", "channel": ""},
    ],
    "subscription_periods": subscribed(
        ("a", "2025-06-01", "", "100"),
        ("b", "2025-06-30", "", "50"),
        ("c", "2025-06-15", "", "50"),
        ("d", "2024-01-01", "2025-01-01", "10"),
        ("d", "2025-06-02", "", "10"),
    ),
    "expenses": bought(
        ("2025-06-01", "marketing", "advertising", "web", "300"),
        ("2025-06-02", "sales", "compensation", "", "600"),
        ("2025-06-03", "marketing", "tools", "fair", "90"),
        ("2025-06-04", "marketing", "cogs", "web", "1000"),
        ("2025-06-05", "service", "compensation", "", "1000"),
        ("2025-05-31", "sales", "compensation", "", "60"),
        ("2025-04-01", "sales", "advertising", "", "30"),
    ),
}
"""In June a, b and c are new and d has returned; 990 are spent by sales and marketing beside the cost of goods."""


def test_what_is_divided_by_whom() -> None:
    """Each variant, department and channel has its own spend and its own new customers."""
    cases: list[tuple[dict[str, Any], dict[str, str], Decimal | None]] = [
        ({}, {}, Decimal(330)),  # 990 / 3
        ({}, {"department": "sales"}, Decimal(200)),  # 600 / 3
        ({}, {"department": "marketing"}, Decimal(130)),  # 390 / 3
        ({}, {"department": "service"}, Decimal(0)),  # not among the departments that are counted
        ({"departments": "service"}, {"department": "service"}, Decimal(1000) / 3),
        ({}, {"channel": "web"}, Decimal(150)),  # 300 / 2
        ({}, {"channel": "fair"}, Decimal(90)),  # 90 / 1
        ({}, {"channel": "unknown"}, None),  # nobody new has no channel
        ({"variant": "paid"}, {}, Decimal(150)),  # 300 over a and b, whose channel is advertised
        ({"variant": "paid"}, {"channel": "fair"}, Decimal(0)),  # c came without advertising
        ({"lag_months": 1}, {}, Decimal(20)),  # the 60 of May
        ({"lag_months": 2, "variant": "paid"}, {}, Decimal(15)),  # the 30 of April, over a and b
        ({"credit": "touched"}, {}, None),  # whom a department touched needs a department
    ]
    tables = {**WORLD, "opportunities": [], "touchpoints": []}
    found = answers(tables, [Question("customer_acquisition_cost", "2025-06", by, params) for params, by, _ in cases])
    for (params, by, expected), value in zip(cases, found, strict=True):
        assert value.value == (None if expected is None else pytest.approx(expected)), (params, by)


def test_a_lag_takes_whole_months_also_for_a_month_in_progress() -> None:
    """On 10 July the spend of all of June stands against July; without a lag only what is booked by the 10th."""
    tables = {"expenses": [*WORLD["expenses"], *bought(("2025-07-11", "sales", "other", "", "5"))]}
    assert asked(tables, "acquisition_cost", "2025-07", lag_months=1).value == 990
    assert asked(tables, "acquisition_cost", "2025-07").value == 0


def test_what_is_spent_on_growth_of_customers_is_not_spent_on_new_ones() -> None:
    """A purpose of expansion or retention is left out of `new`; no purpose is acquisition."""
    day = "2025-06-01"
    tables = {
        "expenses": [
            *booked((day, "other", "1"), department="sales", purpose="expansion"),
            *booked((day, "rent", "2"), department="sales", purpose="retention"),
            *booked((day, "tools", "4"), department="sales", purpose="acquisition"),
            *booked((day, "supplies", "8"), department="sales"),
        ]
    }
    assert asked(tables, "acquisition_cost", "2025-06").value == 15
    assert asked(tables, "acquisition_cost", "2025-06", variant="new").value == 12


@pytest.mark.slow
def test_a_department_is_credited_for_the_path_of_the_first_deal_won() -> None:
    """Of a, b and c, sales touched the deals of a and b, and b's alone; later deals and late touches do not count."""
    deals = [
        {"opportunity_id": "1", "account_id": "a", "closed_at": "2025-05-20T12:00:00Z"},
        {"opportunity_id": "2", "account_id": "b", "closed_at": "2025-06-01T12:00:00Z"},
        {"opportunity_id": "3", "account_id": "c", "closed_at": "2025-04-01T12:00:00Z"},
        {"opportunity_id": "4", "account_id": "c", "closed_at": "2025-06-01T12:00:00Z"},
    ]
    touches = [("1", "sales", "2025-05-01"), ("1", "marketing", "2025-05-20"), ("2", "sales", "2025-03-05")]
    touches += [("2", "marketing", "2025-03-01"), ("3", "marketing", "2025-03-01"), ("4", "sales", "2025-05-01")]
    tables = {
        **WORLD,
        "opportunities": [
            {**deal, "created_at": "2025-01-01T00:00:00Z", "is_won": "true", "amount": "10"} for deal in deals
        ],
        "touchpoints": [
            {"touchpoint_id": f"t{n}", "opportunity_id": deal, "department": name, "occurred_at": f"{day}T12:00:00Z"}
            for n, (deal, name, day) in enumerate(touches)
        ],
    }
    sales, marketing = {"department": "sales"}, {"department": "marketing"}
    metric = "customer_acquisition_cost"
    assert asked(tables, metric, "2025-06", by=sales, credit="touched").value == 300  # 600 over a and b
    assert asked(tables, metric, "2025-06", by=sales, credit="actioned").value == 600  # b: marketing was 92 days before
    assert asked(tables, metric, "2025-06", by=marketing, credit="touched").value == 195  # 390 over a and c
    assert asked(tables, metric, "2025-06", by=marketing, credit="actioned").value == 390  # c
    # b alone won its first deal in June
    assert asked(tables, metric, "2025-06", by=sales, customers="won", credit="touched").value == 600
    assert asked(tables, metric, "2025-06", by=sales, lookback_days=100, credit="actioned").value is None


@pytest.mark.slow
def test_ratio_and_payback_set_cost_against_what_was_gained() -> None:
    """990 over 12 x 200 of new MRR, and over 200 x 0.5; with nothing gained both are unknown."""
    assert asked(WORLD, "cac_ratio", "2025-06").value == pytest.approx(Decimal(990) / 2400)
    assert asked(WORLD, "cac_payback_months", "2025-06", gross_margin="0.5").value == pytest.approx(Decimal("9.9"))
    assert asked(WORLD, "cac_ratio", "2025-05").value is None
    assert asked(WORLD, "cac_payback_months", "2025-05", basis="revenue").value is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 7, 14])
def test_departments_add_up_to_the_blended_cost(seed: int) -> None:
    """The cost of a new customer by department adds up to the cost of all, and so does the spend, in drawn worlds."""
    look = Look(economics_world(seed), seed)
    months = look.last(8)
    for params in ({}, {"variant": "new"}, {"lag_months": 2}):
        look.ask(("acquisition_cost", "customer_acquisition_cost"), months, **params)
        look.ask(("acquisition_cost", "customer_acquisition_cost"), months, "department", **params)
    cells = look.cells()
    told = 0
    for params in ({}, {"variant": "new"}, {"lag_months": 2}):
        for metric in ("acquisition_cost", "customer_acquisition_cost"):
            for month in months:
                whole = cells.get(metric, month, **params)
                parts = [cells.get(metric, month, cut, **params) for cut in cells.cuts("department")]
                if whole is None:
                    assert not parts or None in parts  # a world without expenses has no departments
                    continue
                told += 1
                assert close(sum((part or Decimal(0) for part in parts), Decimal(0)), whole)
    assert told
