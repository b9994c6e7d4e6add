"""Predicted MRR: against a reference calculation in exact fractions, and what holds whatever the company."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import reduce
from operator import mul
from pathlib import Path
from typing import Any

import pytest
from tests.metrics.companies import Question, company
from tests.metrics.drawn import close
from tests.metrics.oracle_check import differences
from tests.oracle.generate import World, now_of, zone_of
from tests.oracle.generate_foresight import PREDICTED, foresight_world, predicted
from tests.oracle.periods import add_months

from revgauge.catalogue.params import ParamError

STEADY: World = {
    "subscription_periods": [
        {"subscription_id": "s1", "account_id": "a", "valid_from": "2023-01-01", "mrr": "120", "currency": "USD"},
        {"subscription_id": "s2", "account_id": "b", "valid_from": "2023-01-01", "mrr": "80", "currency": "USD"},
    ]
}
"""A company in which nothing ever happens."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 5])
def test_it_agrees_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Every method and parameter gives what the slow reference calculation gives, in drawn worlds and slices."""
    asked = predicted(seed)
    assert len(asked) == len(PREDICTED)
    assert list(differences(foresight_world(seed), asked, seed, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(700, 712))
def test_it_agrees_with_the_reference_in_many_worlds(seed: int, tmp_path: Path) -> None:
    """So it does in many more worlds: with foreign currencies, merged accounts, trials, overlaps and other zones."""
    assert list(differences(foresight_world(seed), predicted(seed), seed, tmp_path)) == []


def test_a_company_in_which_nothing_happens_stays_as_it_is() -> None:
    """Without churn, growth, new customers or a season every method foresees the 120 + 80 that are there.

    The base has 28 days and the month that is foreseen 31, so by run rate 200 / 28 a day make 221.43.
    """
    methods = ("mom", "yoy", "run_rate", "retained_growth", "churn_and_activation")
    params = [{"method": method, "activation": "new_mrr", "seasonality": True} for method in methods]
    with company(STEADY, "2025-02-28") as asked:
        told = asked.values(*(Question("predicted_mrr", "2025-03", {}, one) for one in params))
    for method, value in zip(methods, told, strict=True):
        assert value.value is not None, method
        assert close(value.value, Decimal(200) / 28 * 31 if method == "run_rate" else Decimal(200)), method
        assert value.factors["seasonal_factor"] == 1, method


def test_a_season_is_how_the_month_usually_grows_against_all_months() -> None:
    """MRR doubles every July and falls back in August, so for a July the factor is 2 over the mean of all ratios.

    From February 2023 to June 2025 there are 29 ratios: 2 Julys of 2, 2 Augusts of 1/2 and 25 of 1; their mean is
    (4 + 1 + 25) / 29, and the factor 2 / (30/29).
    """
    seasonal = [
        {"subscription_id": f"s{year}", "account_id": "a", "valid_from": f"{year}-07-01", "valid_to": f"{year}-08-01"}
        | {"mrr": "200", "currency": "USD"}
        for year in (2023, 2024)
    ]
    world = {"subscription_periods": [*STEADY["subscription_periods"], *seasonal]}
    with company(world, "2025-06-30") as asked:
        told = asked.value("predicted_mrr", "2025-07", activation="new_mrr", seasonality=True)
        plain = asked.value("predicted_mrr", "2025-07", activation="new_mrr")
    factor = told.factors["seasonal_factor"]
    assert factor is not None
    assert close(factor, Decimal(2) * 29 / 30)
    assert told.value is not None
    assert plain.value == 200
    assert close(told.value, 200 * factor)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 11, 22])
def test_it_never_looks_ahead(seed: int) -> None:
    """What happened after the base month changes nothing: known later or not, the prediction is the same."""
    world, zone = foresight_world(seed), zone_of(seed)
    later = date.fromisoformat(now_of(seed))
    base = add_months(later.replace(day=1), -2)
    close_of_base = add_months(base, 1) - timedelta(days=1)
    variants = [params for params in PREDICTED if not params.get("seasonality")]
    with company(world, str(later), zone) as asked:
        known = [asked.value("predicted_mrr", f"{add_months(base, 1):%Y-%m}", **params) for params in variants]
    with company(world, str(close_of_base), zone) as asked:
        then = [asked.value("predicted_mrr", f"{add_months(base, 1):%Y-%m}", **params) for params in variants]
    assert [value.value for value in known] == [value.value for value in then]
    assert any(value.value is not None for value in then)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 5])
def test_its_factors_make_the_value(seed: int) -> None:
    """What is shown beside the value gives the value: what is kept of the base, what is gained, the season."""
    month = f"{add_months(date.fromisoformat(now_of(seed)).replace(day=1), -1):%Y-%m}"
    found = 0
    with company(foresight_world(seed), now_of(seed), zone_of(seed)) as asked:
        for params in PREDICTED:
            told = asked.value("predicted_mrr", month, **params)
            if told.value is None:
                continue
            found += 1
            assert close(
                told.value, _made_of(params, {name: value or Decimal(0) for name, value in told.factors.items()})
            )
    assert found > 4


def _made_of(params: dict[str, Any], factors: dict[str, Decimal]) -> Decimal:
    """The prediction from its factors."""
    season = factors.get("seasonal_factor", Decimal(1))
    match params.get("method"):
        case "mom":
            return season * factors["base_mrr"] * (1 + factors["monthly_growth"])
        case "yoy":
            return season * factors["same_month_last_year_mrr"] * (1 + factors["growth_since_last_year"])
        case "run_rate":
            return season * factors["revenue_per_day"] * factors["days"]
    kept = factors.get("net_retention")
    if kept is None:
        kept = 1 - factors.get("customer_churn", factors.get("revenue_churn", Decimal(0)))
    gained = factors.get("new_and_reactivation_mrr")
    if gained is None:
        names = ("leads_per_month", "activation_rate", "mrr_per_new_customer")
        gained = reduce(mul, (factors[name] for name in names))
    return season * (factors["base_mrr"] * kept + gained)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 6])
def test_its_rows_give_the_value(seed: int) -> None:
    """The rows behind each factor, added up and put together again, are the prediction, also where there is none."""
    month = f"{date.fromisoformat(now_of(seed)):%Y-%m}"
    with company(foresight_world(seed), now_of(seed), zone_of(seed)) as asked:
        for params in PREDICTED:
            listing = asked.rows("predicted_mrr", month, **params)
            assert listing.agrees, params


def test_the_month_after_next_is_not_foreseen() -> None:
    """On 14 February March is provisional, since February is not over; April has no value, and it is said why."""
    with company(STEADY, "2025-02-14") as asked:
        march = asked.value("predicted_mrr", "2025-03", activation="new_mrr")
        april = asked.value("predicted_mrr", "2025-04", activation="new_mrr")
        february = asked.value("predicted_mrr", "2025-02", activation="new_mrr")
    assert march.value == 200
    assert "provisional" in march.marks
    assert april.value is None
    assert "has not begun on 2025-02-14" in april.reason
    assert "provisional" not in february.marks


def test_only_a_month_is_foreseen() -> None:
    """A quarter has no prediction, and a window without months is refused; both are said in words."""
    with company(STEADY, "2025-02-28") as asked:
        assert "ask for a month" in asked.value("predicted_mrr", "2025-Q2", activation="new_mrr").reason
        assert "at least 1" in asked.value("predicted_mrr", "2025-03", history_months=0).reason
        with pytest.raises(ParamError, match="did you mean retained_growth"):
            asked.value("predicted_mrr", "2025-03", method="retained_grwth")


@pytest.mark.slow
def test_it_says_what_is_missing() -> None:
    """Leads that were never loaded, a window without leads and one without customers are told apart."""
    leads = [{"lead_id": "l", "created_at": "2024-01-05T00:00:00Z"}]
    young = {"subscription_periods": [{**STEADY["subscription_periods"][0], "valid_from": "2025-02-10"}]}
    with company(STEADY, "2025-02-28") as asked:
        assert "leads was never loaded" in asked.value("predicted_mrr", "2025-03").reason
    with company({**STEADY, "leads": leads}, "2025-02-28") as asked:
        assert "no lead was created" in asked.value("predicted_mrr", "2025-03").reason
    with company({**young, "leads": leads}, "2025-02-28") as asked:
        assert "opened with a customer" in asked.value("predicted_mrr", "2025-03", activation="new_mrr").reason


def test_a_month_without_customers_is_left_out_of_churn() -> None:
    """A customer since mid-January: December has nobody to lose, so churn is that of February and March, 0 and 0.

    MRR of March is 120, and new MRR of the months from January on was 120, 0 and 0: a mean of 40.
    """
    young = {"subscription_periods": [{**STEADY["subscription_periods"][0], "valid_from": "2025-01-10"}]}
    with company(young, "2025-03-31") as asked:
        told = asked.value("predicted_mrr", "2025-04", activation="new_mrr")
    assert told.value == 160
    assert told.factors["customer_churn"] == 0


@pytest.mark.slow
def test_leads_are_those_that_the_funnel_counts() -> None:
    """The leads of the window are the metric lead_count, month by month."""
    seed = 5
    month = add_months(date.fromisoformat(now_of(seed)).replace(day=1), -1)
    with company(foresight_world(seed), now_of(seed), zone_of(seed)) as asked:
        told = asked.value("predicted_mrr", f"{add_months(month, 1):%Y-%m}").factors["leads_per_month"]
        counted = [asked.value("lead_count", f"{add_months(month, -back):%Y-%m}").value for back in range(3)]
    assert told is not None
    assert close(told, Decimal(sum(number or 0 for number in counted)) / 3)
