"""Lifetime value four ways: single rules of the standard."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from tests.catalogue.worlds import Rows, evaluation_over
from tests.metrics.small import asked, subscribed

from revgauge.catalogue.context import Settings
from revgauge.catalogue.evaluation import Request
from revgauge.catalogue.params import ParamError

TEN: dict[str, Rows] = {
    "subscription_periods": subscribed(
        *((f"a{n}", "2025-01-01", "", "100") for n in range(8)),
        ("b", "2025-01-01", "2025-05-01", "100"),
        ("c", "2025-01-01", "2025-06-01", "100"),
    )
}
"""Ten customers from January on, of whom one leaves on the first of May and one on the first of June."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("period", "params", "expected"),
    [
        # lost in the months to 30 June: 1 of 9 in June, 1 of 10 in May; 100 x 19 / 2
        ("2025-06", {"churn_months": 2}, Decimal(950)),
        # five months with customers at their beginning: 9 + 4 x 10; the months before add nothing
        ("2025-06", {"churn_months": 12}, Decimal(100) * 49 / 2),
        ("2025-Q2", {"churn_months": 2}, Decimal(950)),
        # the month to 10 July begins on 11 June, with 8 customers, and nobody leaves
        ("2025-07", {"churn_months": 1}, None),
        ("2025-07", {"churn_months": 1, "lifetime_cap_months": 24}, Decimal(2400)),
        # the two months to 10 July begin on 11 May: one of nine leaves on 1 June, then none of eight
        ("2025-07", {"churn_months": 2}, Decimal(1700)),
        ("2025-06", {"churn_months": 2, "lifetime_cap_months": 5}, Decimal(500)),
        ("2024-12", {"churn_months": 2}, None),
    ],
)
def test_churn_is_pooled_over_months_up_to_the_closing_day(
    period: str, params: dict[str, Any], expected: Decimal | None
) -> None:
    """Lifetimes are customers at the beginnings of the last months over those lost in them."""
    value = asked(TEN, "lifetime_value", period, basis="revenue", **params).value
    assert value == (None if expected is None else pytest.approx(expected))


def test_a_window_of_no_month_is_refused() -> None:
    """Churn over no month has no meaning, and the answer says what is possible."""
    with pytest.raises(ParamError, match="churn_months = 0 is not possible"):
        asked(TEN, "lifetime_value", "2025-06", churn_months=0)
    with pytest.raises(ParamError, match="discount_rate = -1 is not possible"):
        asked(TEN, "lifetime_value_survival", "2025-06", discount_rate="-1")


@pytest.mark.slow
def test_value_to_date_counts_what_members_paid_and_needs_a_margin() -> None:
    """Ten members paid 1,000 a month to April, 900 in May and 800 in June: 5,700 to date, 570 each."""
    metric = "lifetime_value_historic"
    assert asked(TEN, metric, "all", cohort="2025-01", age=5, basis="revenue").value == 570
    assert asked(TEN, metric, "all", cohort="2025-01", age=5, gross_margin="0.5").value == 285
    assert asked(TEN, metric, "all", cohort="2025-01", age=5).value is None
    assert asked(TEN, metric, "all", cohort="2025-01", age=6, basis="revenue").value is None  # July is not over
    assert asked(TEN, metric, "all", cohort="2025-02", age=1, basis="revenue").value is None  # nobody started


@pytest.mark.slow
def test_survival_is_a_floor_that_discounting_lowers() -> None:
    """S is 1 up to 3 months, 9 / 10 at 4, and 8 / 10 from 5 on to 6, the longest tenure: 100 x (4 + 0.9 + 1.6)."""
    assert asked(TEN, "lifetime_value_survival", "2025-06", basis="revenue").value == 650
    value = asked(TEN, "lifetime_value_survival", "2025-06", basis="revenue", discount_rate="0.5", horizon_months=2)
    assert value.value == pytest.approx(Decimal(100) * (1 + Decimal(1) / Decimal("1.5") ** (Decimal(1) / 12)))


# -- buyers without contracts -----------------------------------------------------------------------------------------

MODEL = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}


def billed(*rows: tuple[str, str, str]) -> Rows:
    """Bills: account, day, amount."""
    return [
        {"invoice_id": f"i{n}", "account_id": account, "issued_on": day, "amount": amount, "currency": "USD"}
        for n, (account, day, amount) in enumerate(rows)
    ]


BUYERS: dict[str, Rows] = {
    "invoices": billed(
        ("a", "2025-01-01", "10"),
        ("a", "2025-03-01", "30"),
        ("b", "2025-02-01", "40"),
        ("b", "2025-02-01", "20"),
        ("c", "2025-07-01", "99"),
    ),
    "accounts": [{"account_id": "a", "segment": "x"}, {"account_id": "b", "segment": "y"}],
}


def test_only_purchases_up_to_the_closing_day_count() -> None:
    """In January there is one buyer, in February two, in July three; the one of July has bought once, on one day."""
    for period, buyers in (("2024-12", None), ("2025-01", 1), ("2025-02", 1), ("2025-07", 1)):
        value = asked(BUYERS, "probability_alive", period, by={}, bgnbd=MODEL).value
        if buyers is None or period != "2025-07":
            # without a repeat all are alive
            assert value == buyers
        else:
            assert value is not None
            assert value < 1


def test_a_model_that_cannot_be_fitted_says_so_and_is_fitted_to_all() -> None:
    """Where nobody bought twice there is no model; b alone is asked about with the model of everybody."""
    once = asked(BUYERS, "expected_purchases", "2025-02")
    assert once.value is None
    assert "bought again" in once.reason
    assert asked(BUYERS, "expected_purchases", "2024-12").value == 0
    evaluation = evaluation_over(BUYERS, settings=Settings(date(2025, 7, 10)))
    period = evaluation.context.calendar.parse("2025-06")
    whole, parts, alone = evaluation.results(
        [
            Request("expected_purchases", (period,)),
            Request("expected_purchases", (period,), by=("segment",)),
            Request("expected_purchases", (period,), only={"segment": "y"}),
        ]
    )
    found = {value.dimensions["segment"]: value.value for value in parts.values()}
    assert next(iter(alone.values())).value == found["y"]
    assert next(iter(whole.values())).value == sum(number or 0 for number in found.values())


def test_the_value_of_few_purchases_is_marked() -> None:
    """Most have bought once or twice, so the mean spend says little, and the value says so."""
    value = asked(BUYERS, "lifetime_value_bgnbd", "2025-06", bgnbd=MODEL, basis="revenue", horizon_units=10)
    assert any("few purchases" in mark for mark in value.marks)
    shared = asked(BUYERS, "lifetime_value_bgnbd", "2025-06", bgnbd=MODEL, basis="revenue", spend="gamma_gamma")
    assert shared.value is None  # one repeat buyer is too few for the other model
    assert "gamma-gamma" in shared.reason


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"bgnbd": {"r": 1, "alpha": 1, "a": 1}}, "b is missing"),
        ({"bgnbd": {"r": -1, "alpha": 1, "a": 1, "b": 1}}, "r = -1 is not above 0"),
        ({"horizon_units": 0}, "horizon_units = 0 is not possible"),
    ],
)
def test_impossible_models_are_refused_in_words(params: dict[str, Any], words: str) -> None:
    """A parameter that is missing or makes no sense is named before anything is computed."""
    with pytest.raises(ParamError, match=words):
        asked(BUYERS, "expected_purchases", "2025-06", **params)


@pytest.mark.slow
def test_the_catalogue_loads_without_what_only_a_fit_needs() -> None:
    """Looking metrics up does not load SciPy."""
    code = "import sys; import revgauge.metrics as m; m.builtin_catalogue(); print('scipy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
