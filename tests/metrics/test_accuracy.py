"""Accuracy of forecasts and plans: against a reference calculation, and what holds whatever was foreseen."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.metrics.companies import Company, Question, company
from tests.metrics.drawn import close
from tests.metrics.oracle_check import differences
from tests.oracle.generate import World, now_of, zone_of
from tests.oracle.generate_foresight import METRICS, foresight_world, judged

from revgauge.catalogue.registry import UnknownName

MRR: World = {
    "accounts": [
        {"account_id": "a", "owner_id": "p1", "segment": "smb"},
        {"account_id": "b", "owner_id": "p2", "segment": "ent"},
    ],
    "subscription_periods": [
        {"subscription_id": "s1", "account_id": "a", "valid_from": "2025-01-01", "mrr": "100", "currency": "USD"},
        {"subscription_id": "s2", "account_id": "b", "valid_from": "2025-02-01", "mrr": "300", "currency": "USD"},
    ],
}
"""MRR is 100 in January, of p1 in smb, and 400 from February on, of which 300 are of p2 in ent."""


def foreseen(*rows: tuple[str, str, str, str], **more: str) -> World:
    """The company with forecasts of (made on, first day, day after the last, value)."""
    names = ("made_on", "period_start", "period_end", "value")
    return {**MRR, "forecasts": [{"metric": "mrr", **dict(zip(names, row, strict=True)), **more} for row in rows]}


def planned(*rows: tuple[str, str, str, str]) -> World:
    """The company with plans of (first day, day after the last, value, segment)."""
    names = ("period_start", "period_end", "value", "segment")
    return {**MRR, "plans": [{"metric": "mrr", **dict(zip(names, row, strict=True))} for row in rows]}


FEBRUARY, MARCH = ("2025-02-01", "2025-03-01"), ("2025-03-01", "2025-04-01")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(1, 5), *range(800, 812)])
def test_it_agrees_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Every measure gives what the slow reference calculation gives, in drawn worlds, slices and horizons."""
    assert list(differences(foresight_world(seed), judged(seed), seed, tmp_path)) == []


def test_a_perfect_forecast_has_no_error() -> None:
    """What was foreseen as it came has accuracy and attainment 1, and every error and the bias are 0."""
    forecasts = foreseen(("2025-01-20", *FEBRUARY, "400"), ("2025-02-20", *MARCH, "400"))
    world = {**forecasts, **planned((*FEBRUARY, "400", ""), (*MARCH, "400", ""))}
    with company(world, "2025-04-05") as asked:
        for kind in ("forecast", "plan"):
            questions = [Question(f"{kind}_{name}", "2025-Q1", {}, {"metric": "mrr"}) for name in ERRORS]
            told = dict(zip(ERRORS, (value.value for value in asked.values(*questions)), strict=True))
            assert told == {**dict.fromkeys(ERRORS, 0), "accuracy": 1}
        assert asked.value("plan_attainment", "2025-Q1", metric="mrr").value == 1


ERRORS = ("mape", "wape", "bias", "smape", "accuracy")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 13, 21])
def test_errors_hang_together(seed: int) -> None:
    """WAPE is never below the bias without its sign, accuracy is what it leaves of 1, sMAPE lies between 0 and 2."""
    found = 0
    with company(foresight_world(seed), now_of(seed), zone_of(seed)) as asked:
        for metric in METRICS:
            told = {name: asked.value(f"forecast_{name}", "all", metric=metric).value for name in ERRORS}
            wape, bias, smape, accuracy = (told[name] for name in ("wape", "bias", "smape", "accuracy"))
            if smape is not None:
                assert 0 <= smape <= 2
            if wape is None or bias is None or accuracy is None:
                assert (wape, bias, accuracy) == (None, None, None)
                continue
            found += 1
            assert wape >= abs(bias) - Decimal("1e-12")
            assert close(accuracy, max(Decimal(0), 1 - wape))
    assert found > 1


def test_bias_is_positive_where_too_much_was_foreseen() -> None:
    """440 and 340 against 400 twice: -20 over 800; 500 against 400 in March alone is 25 % too high."""
    low = foreseen(("2025-01-20", *FEBRUARY, "440"), ("2025-02-20", *MARCH, "340"))
    high = foreseen(("2025-02-20", *MARCH, "500"))
    with company(low, "2025-04-05") as asked:
        assert asked.value("forecast_bias", "2025-Q1", metric="mrr").value == Decimal("-0.025")
        assert asked.value("forecast_wape", "2025-Q1", metric="mrr").value == Decimal("0.125")
    with company(high, "2025-04-05") as asked:
        assert asked.value("forecast_bias", "2025-03", metric="mrr").value == Decimal("0.25")


def test_the_latest_forecast_in_time_counts() -> None:
    """March brought 400; which forecast counts depends on the horizon, and on the larger of two of one day."""
    rows = (
        ("2025-02-20", *MARCH, "320"),
        ("2025-03-01", *MARCH, "440"),
        ("2025-04-01", *MARCH, "420"),
        ("2025-04-01", *MARCH, "410"),
        ("2025-04-02", *MARCH, "400"),
    )
    horizons: list[tuple[dict[str, Any], str | None]] = [
        ({}, "0.1"),  # the latest of 1 March or before: 440
        ({"horizon_days": 31}, "0.1"),  # 31 days before 1 April is 1 March: 440 too
        ({"horizon_days": 32}, "0.2"),  # 28 February or before: 320
        ({"horizon_days": 0}, "0.05"),  # up to the day after its last: 420, the larger of two made that day
        ({"horizon_days": 60}, None),  # nobody had foreseen it by 31 January
    ]
    with company(foreseen(*rows), "2025-04-05") as asked:
        told = asked.values(
            *(Question("forecast_wape", "2025-03", {}, {"metric": "mrr", **params}) for params, _ in horizons)
        )
    assert [value.value for value in told] == [None if wape is None else Decimal(wape) for _, wape in horizons]


@pytest.mark.slow
def test_people_are_added_up_where_the_company_is_silent() -> None:
    """p1 foresees 90 and p2 330 for March: 420 against 400; each is held against the accounts that are theirs."""
    rows = [
        {"metric": "mrr", "made_on": "2025-02-20", "period_start": MARCH[0], "period_end": MARCH[1]}
        | {"value": value, "person_id": person}
        for person, value in (("p1", "90"), ("p2", "330"))
    ]
    with company({**MRR, "forecasts": rows}, "2025-04-05") as asked:
        assert asked.value("forecast_wape", "2025-03", metric="mrr").value == Decimal("0.05")
        assert asked.value("forecast_bias", "2025-03", {"person_id": "p1"}, metric="mrr").value == Decimal("-0.1")
        assert asked.value("forecast_bias", "2025-03", {"person_id": "p2"}, metric="mrr").value == Decimal("0.1")
    late = {**rows[0], "person_id": "", "value": "400", "made_on": "2025-03-10"}
    with company({**MRR, "forecasts": [*rows, late]}, "2025-04-05") as asked:
        assert asked.value("forecast_wape", "2025-03", metric="mrr").value == Decimal("0.05")  # made too late
        assert asked.value("forecast_wape", "2025-03", metric="mrr", horizon_days=10).value == 0


def test_a_plan_of_a_segment_is_held_against_the_segment() -> None:
    """Of ent 330 was planned and 300 came; the company has the larger of its two plans, 500, and 400 came."""
    world = planned(
        (*MARCH, "330", "ent"), (*MARCH, "500", ""), (*MARCH, "450", ""), ("2025-04-01", "2025-05-01", "1", "")
    )
    with company(world, "2025-04-05") as asked:
        assert asked.value("plan_attainment", "2025-03", metric="mrr").value == Decimal("0.8")
        told = asked.value("plan_attainment", "2025-03", {"segment": "ent"}, metric="mrr").value
        assert told is not None
        assert close(told, Decimal(300) / 330)
        assert asked.value("plan_attainment", "2025-03", {"segment": "smb"}, metric="mrr").value is None
        assert asked.value("plan_attainment", "2025-04", metric="mrr").value is None  # April is not over


def test_targets_that_reach_beyond_the_period_do_not_count() -> None:
    """A forecast of the quarter belongs to the quarter and the year, and to none of its months."""
    world = foreseen(("2024-12-20", "2025-01-01", "2025-04-01", "500"))
    with company(world, "2025-04-05") as asked:
        told = {
            period: asked.value("forecast_wape", period, metric="mrr").value
            for period in ("2025-03", "2025-Q1", "2025")
        }
    assert told == {"2025-03": None, "2025-Q1": Decimal("0.25"), "2025": Decimal("0.25")}


def test_short_forms_name_the_same_metric() -> None:
    """Who asks for nrr finds forecasts of NRR and of net_revenue_retention; what was there a year ago is all kept."""
    rows = [
        {"metric": name, "made_on": "2025-01-01", "period_start": start, "period_end": end, "value": "1"}
        for name, start, end in (
            ("NRR", "2026-02-01", "2026-03-01"),
            ("net_revenue_retention", "2026-03-01", "2026-04-01"),
        )
    ]
    with company({**MRR, "forecasts": rows}, "2026-04-05") as asked:
        listing = asked.rows("forecast_wape", "all", metric="nrr")
    assert listing.params["metric"] == "net_revenue_retention"
    assert listing.value.value == 0
    assert [len(part.rows) for part in listing.parts] == [2, 2, 2]


def test_an_unknown_actual_is_left_out_and_marked() -> None:
    """Growth is foreseen for January and February: before January there was nothing to grow from; then it was 3."""
    rows = [
        {"metric": "mrr_growth_rate", "made_on": "2024-12-01", "period_start": start, "period_end": end, "value": "2"}
        for start, end in (("2025-01-01", "2025-02-01"), FEBRUARY)
    ]
    with company({**MRR, "forecasts": rows}, "2025-04-05") as asked:
        told = asked.value("forecast_wape", "2025-Q1", metric="mrr_growth_rate")
        none = asked.value("forecast_wape", "2025-01", metric="mrr_growth_rate")
    assert told.value is not None
    assert close(told.value, Decimal(1) / 3)
    assert "some actuals unknown" in told.marks
    assert none.value is None
    assert "there is no forecast of the metric" in none.reason


def test_a_target_that_is_no_period_of_the_calendar() -> None:
    """From 10 to 20 February MRR was 400. Growth on the period before is not known, for there is no period before."""
    odd = ("2025-02-01", "2025-02-10", "2025-02-21")
    rows = [
        {"metric": name, "made_on": odd[0], "period_start": odd[1], "period_end": odd[2], "value": "500"}
        for name in ("mrr", "mrr_growth_rate")
    ]
    with company({**MRR, "forecasts": rows}, "2025-04-05") as asked:
        assert asked.value("forecast_wape", "2025-02", metric="mrr").value == Decimal("0.25")
        assert asked.value("forecast_wape", "2025-02", metric="mrr_growth_rate").value is None


@pytest.mark.parametrize(
    ("metric", "params", "words"),
    [
        ("forecast_wape", {"metric": "mrrr"}, "did you mean mrr"),
        ("forecast_wape", {}, "forecast_wape needs metric"),
        ("plan_wape", {"metric": "mrr", "horizon_days": 3}, "has no parameter horizon_days"),
    ],
)
def test_questions_that_make_no_sense_are_answered_in_words(metric: str, params: dict[str, Any], words: str) -> None:
    """A metric that does not exist, none at all, and a horizon of plans are told with what was probably meant."""
    with company(foreseen(), "2025-04-05") as asked, pytest.raises((UnknownName, ValueError), match=words):
        asked.value(metric, "2025-03", **params)


def test_the_accuracy_of_an_accuracy_has_no_value() -> None:
    """Accuracy of a forecast of forecast_wape needs a metric that nobody names: it is left out, and nothing breaks."""
    rows = [
        {
            "metric": "forecast_wape",
            "made_on": "2025-01-01",
            "period_start": MARCH[0],
            "period_end": MARCH[1],
            "value": "1",
        }
    ]
    with company({**MRR, "forecasts": rows}, "2025-04-05") as asked:
        told = asked.value("forecast_wape", "2025-03", metric="forecast_wape")
    assert told.value is None
    assert "some actuals unknown" in told.marks


def test_tables_that_were_never_loaded_are_named() -> None:
    """Without forecasts and plans there is no accuracy, and the reason says what is missing."""
    with company(MRR, "2025-04-05") as asked:
        assert asked.value("forecast_wape", "2025-03", metric="mrr").reason == "forecasts was never loaded"
        assert asked.value("plan_attainment", "2025-03", metric="mrr").reason == "plans was never loaded"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 8])
def test_rows_give_the_value(seed: int) -> None:
    """The pairs behind each measure, added up, are the measure; what does not count is listed with its reason."""
    reasons: set[str] = set()
    with company(foresight_world(seed), now_of(seed), zone_of(seed)) as asked:
        for question in judged(seed):
            listing = _rows(asked, question)
            assert listing.agrees, question
            reasons |= {row["reason"] for part in listing.parts for row in part.left_out}
    assert {"it was made after its first day", "a later or larger one of the same author counts"} <= reasons


def _rows(asked: Company, question: Any) -> Any:
    return asked.rows(question.metric, question.period or "all", question.by, **question.params)
