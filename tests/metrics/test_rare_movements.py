"""Movements where few look: currencies without a rate, discounts beside them, and a product held under another plan.

Expected values follow from rules R5, R9, R12 and section 4 of the metric standard; the arithmetic is beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.catalogue.worlds import evaluation_over
from tests.metrics.companies import Company, Question, values

from revgauge.catalogue.evaluation import Evaluation, Value

Line = tuple[str, str, str, str, str]
"""Subscription, first day, first day outside, amount, currency."""


Terms = Mapping[str, Mapping[str, str]]
"""What subscriptions are other than the rest, by their keys."""


def looked_at(lines: list[Line], terms: Terms | None = None) -> Evaluation:
    """One account with these subscription periods at the end of March 2025; francs are never quoted."""
    periods = [
        {
            "subscription_id": key,
            "account_id": "a",
            "valid_from": start,
            "valid_to": end,
            "mrr": mrr,
            "currency": currency,
        }
        for key, start, end, mrr, currency in lines
    ]
    subscriptions = [
        {"subscription_id": key, "account_id": "a", "started_on": "2025-01-01", "product": "core", "plan": "basic"}
        | dict((terms or {}).get(key, {}))
        for key in dict.fromkeys(line[0] for line in lines)
    ]
    return evaluation_over(
        {
            "subscription_periods": periods,
            "subscriptions": subscriptions,
            "accounts": [{"account_id": "a", "name": "A"}],
        }
    )


def march(metric: str, only: Mapping[str, str] | None = None, **params: Any) -> Question:
    """A metric of March 2025."""
    return Question(metric, "2025-03", only or {}, params)


def asked(metric: str, lines: list[Line], terms: Terms | None = None, only: Any = None, **params: Any) -> Value:
    """A metric of March 2025 for one account with these subscription periods."""
    return values(looked_at(lines, terms), [march(metric, only, **params)])[0]


GROWN_IN_FRANCS: list[Line] = [("s1", "2025-01-01", "", "10", "CHF"), ("s2", "2025-03-05", "", "20", "CHF")]


@pytest.mark.slow
def test_a_purchase_counts_although_its_amount_has_no_rate() -> None:
    """One of one opening customers took another product, in francs: the amount is unknown, the customer is not."""
    terms = {"s2": {"product": "insights"}}
    assert asked("cross_sell_rate", GROWN_IN_FRANCS, terms, measure="customers").value == 1
    assert asked("upsell_rate", GROWN_IN_FRANCS, terms, measure="customers").value == 0
    amount = asked("cross_sell_mrr", GROWN_IN_FRANCS, terms)
    assert amount.value is None
    assert "rate" in amount.reason


DOLLARS_BESIDE_FRANCS: list[Line] = [
    ("s1", "2025-01-01", "", "10", "CHF"),
    ("s2", "2025-01-01", "2025-03-05", "20", "USD"),
    ("s2", "2025-03-05", "", "26", "USD"),
]


def test_what_does_not_change_needs_no_rate() -> None:
    """From 20 to 26 dollars is an expansion of 6, whatever the francs that are held before and after are worth."""
    expected = {"expansion_mrr": 6, "contraction_mrr": 0, "upsell_mrr": 6}
    found = values(looked_at(DOLLARS_BESIDE_FRANCS), [march(metric) for metric in expected])
    assert {value.metric: value.value for value in found} == expected


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["expansion_mrr", "contraction_mrr"])
def test_a_change_in_either_direction_is_unknown_in_both(metric: str) -> None:
    """Five francs more and two dollars less: without a rate nobody can say which of the two it is in all."""
    lines: list[Line] = [
        ("s1", "2025-01-01", "2025-03-05", "10", "CHF"),
        ("s1", "2025-03-05", "", "15", "CHF"),
        ("s2", "2025-01-01", "2025-03-05", "20", "USD"),
        ("s2", "2025-03-05", "", "18", "USD"),
    ]
    assert asked(metric, lines).value is None
    assert asked("new_mrr", lines).value == 0
    assert asked("churned_customers", lines).value == 0


def test_revenue_is_unknown_where_a_discount_meets_a_row_without_a_rate() -> None:
    """Ten francs less five dollars may be more or less than nothing: MRR is unknown, and not zero."""
    lines: list[Line] = [("s1", "2025-01-01", "", "10", "CHF"), ("s2", "2025-01-01", "", "-5", "USD")]
    value = asked("mrr", lines)
    assert value.value is None
    assert "rate" in value.reason


@pytest.mark.slow
def test_the_reason_is_that_of_the_largest_row_lost_also_without_a_rate() -> None:
    """Of 80 and 10 francs that end together the 80 count, though the 10 have the later key."""
    lines: list[Line] = [
        ("s1", "2025-01-01", "2025-03-05", "80", "CHF"),
        ("s2", "2025-01-01", "2025-03-05", "10", "CHF"),
    ]
    terms = {"s1": {"cancel_reason": "price"}, "s2": {"cancel_reason": "no_value"}}
    assert asked("churned_customers", lines, terms, {"cancel_reason": "price"}).value == 1
    assert asked("churned_customers", lines, terms, {"cancel_reason": "no_value"}).value == 0


def test_a_product_is_held_within_what_is_looked_at() -> None:
    """Core is held under plan basic when core under pro begins: more of the same in all, and new within plan pro.

    With `plan = pro` the rows of that plan are treated as the whole company, and it held only insights.
    """
    lines: list[Line] = [
        ("s1", "2025-01-01", "", "10", "USD"),
        ("s2", "2025-01-01", "", "20", "USD"),
        ("s3", "2025-03-05", "", "75", "USD"),
    ]
    terms = {"s2": {"plan": "pro", "product": "insights"}, "s3": {"plan": "pro"}}
    within: list[dict[str, str]] = [{}, {"plan": "pro"}, {"product": "core"}]
    looked = looked_at(lines, terms)
    upsell = values(looked, [march("upsell_mrr", only) for only in within])
    cross_sell = values(looked, [march("cross_sell_mrr", only) for only in within])
    assert [value.value for value in upsell] == [75, 0, 75]
    assert [value.value for value in cross_sell] == [0, 75, 0]


def test_units_of_another_kind_are_a_price() -> None:
    """From 999 for one unit to 1,000 for a billion: what a billion would have cost passes all sense, so it is price."""
    rows = [
        {"subscription_id": "s", "account_id": "a", "valid_from": first, "valid_to": end, "mrr": mrr, "quantity": units}
        for first, end, mrr, units in [
            ("2025-01-01", "2025-03-05", "999", "1"),
            ("2025-03-05", "", "1000", "1000000000"),
        ]
    ]
    looked = evaluation_over({"subscription_periods": rows, "accounts": [{"account_id": "a", "name": "A"}]})
    expected = {"expansion_mrr": 1, "price_change_mrr": 1, "upsell_mrr": 0}
    found = values(looked, [march(metric) for metric in expected])
    assert {value.metric: value.value for value in found} == expected


ARPU = "average_revenue_per_user"
UNSAID = "a live subscription row has no quantity, so users cannot be counted"


def seated(*rows: tuple[str, str, str, str, str]) -> Evaluation:
    """Two accounts with these rows: account, first day, first day outside, amount, seats."""
    periods = [
        {"subscription_id": f"s_{who}", "account_id": who, "valid_from": start, "valid_to": end, "mrr": mrr}
        | {"quantity": seats}
        for who, start, end, mrr, seats in rows
    ]
    accounts = [{"account_id": "a", "name": "A"}, {"account_id": "b", "name": "B"}]
    return evaluation_over({"subscription_periods": periods, "accounts": accounts})


def test_seats_are_told_where_every_live_row_has_them() -> None:
    """Ten seats for 100 are 10 each; a row of 50 without seats hides them until it ends, and is pointed at.

    At the end of March there are 8 seats for 80. Where no row lacks its seats the other months are the same.
    """
    told = [("a", "2025-01-01", "2025-03-10", "100", "10"), ("a", "2025-03-10", "", "80", "8")]
    months = [Question(ARPU, month) for month in ("2025-01", "2025-02", "2025-03")]
    assert [value.value for value in values(seated(*told), months)] == [10, 10, 10]
    lacking = seated(*told, ("b", "2025-02-01", "2025-03-20", "50", ""))
    found = values(lacking, months)
    assert [value.value for value in found] == [10, None, 10]
    assert found[1].reason == UNSAID
    listing = Company(lacking).rows(ARPU, "2025-02")
    assert listing.agrees
    assert [(row["account_id"], row["contribution"]) for row in listing.parts[-1].rows] == [("a", 10), ("b", None)]
