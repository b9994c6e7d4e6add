"""Forecasting methods: on series that a person can foresee, and on the M3 competition's with published errors."""

from __future__ import annotations

import csv
import gzip
import json
import os
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from revgauge.methods import forecasting
from revgauge.methods.backtest import (
    FEWEST_ORIGINS,
    MOST_ORIGINS,
    back_test,
    best,
    errors,
    headline,
    origins,
    scale_of,
    shortest_series,
)
from revgauge.methods.forecasting import METHODS, Array, Forecast, LibraryAbsentError, Method, foresee, has_season

BY_NAME = {method.name: method for method in METHODS}
SEASON = np.array([80.0, 85, 90, 100, 105, 110, 130, 125, 110, 100, 90, 75])
STEPS = 18


def said(name: str, series: list[float] | Array, season: int = 12, steps: int = 3) -> Forecast:
    """What a method says."""
    return foresee(BY_NAME[name], np.asarray(series, dtype=float), season, steps)


# -- series that a person can foresee ---------------------------------------------------------------------------------


def test_arithmetic_methods_say_what_they_are_named_after() -> None:
    """After 10, 12, 11, 16 with a season of two: 16 again; 11, 16, 11; and 16 + 2 for each step, as (16 - 10) / 3."""
    series = [10.0, 12.0, 11.0, 16.0]
    assert said("naive", series).values.tolist() == [16, 16, 16]
    assert said("seasonal_naive", series, season=2).values.tolist() == [11, 16, 11]
    assert said("drift", series).values.tolist() == [18, 20, 22]


def test_intervals_of_naive_widen_with_the_root_of_the_steps() -> None:
    """Changes of 3, -4 and 0 have a mean square of 25 / 3; the 95 % interval is 1.96 roots of that, times root h."""
    low, high = said("naive", [10.0, 13, 9, 9]).intervals[0.95]
    reach = NormalDist().inv_cdf(0.975) * np.sqrt(25 / 3 * np.array([1, 2, 3]))
    assert np.allclose(low, 9 - reach)
    assert np.allclose(high, 9 + reach)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_series_that_never_changes_is_foreseen_as_it_is(method: Method) -> None:
    """Thirty times 7 is followed by 7, and nothing else is thought possible."""
    forecast = foresee(method, [7.0] * 30, 12, 4)
    assert np.allclose(forecast.values, 7)
    for low, high in forecast.intervals.values():
        assert np.allclose(low, 7)
        assert np.allclose(high, 7)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_intervals_hold_the_forecast_and_each_other(method: Method) -> None:
    """The forecast lies within its 80 % interval, that within the 95 % one, at every step; neither gets narrower."""
    noise = np.random.default_rng(7).normal(0, 4, 60)
    forecast = foresee(method, 200 + np.arange(60.0) + noise, 12, 6)
    (low, high), (lower, higher) = forecast.intervals[0.80], forecast.intervals[0.95]
    assert len(forecast.values) == 6
    assert (lower < low).all()
    assert (low < forecast.values).all()
    assert (forecast.values < high).all()
    assert (high < higher).all()
    assert (np.diff(high - low) >= -1e-9).all()


@pytest.mark.parametrize("name", ["theta", "smoothing", "damped_trend", "seasonal_naive"])
@pytest.mark.parametrize("shift", [0.0, -100.0], ids=["as a factor", "as a sum"])
def test_a_plain_season_is_found_and_put_back(name: str, shift: float) -> None:
    """Four years of the same twelve months are followed by the same months, also where some are below 0."""
    series = np.tile(SEASON + shift, 4)
    assert has_season(series, 12)
    assert np.allclose(said(name, series, steps=12).values, SEASON + shift, atol=0.5)


def test_no_season_is_found_in_noise_or_in_two_years() -> None:
    """The test needs three years, and what has no season has none."""
    assert not has_season(np.tile(SEASON, 2), 12)
    assert not has_season(np.random.default_rng(1).normal(0, 1, 60), 12)
    assert not has_season(np.full(48, 3.0), 12)
    assert not has_season(np.arange(9.0), 1)


def test_methods_follow_the_scale_of_a_series() -> None:
    """In another currency, at ten times the amount, every forecast is ten times as high."""
    series = 100 + np.random.default_rng(3).normal(0, 5, 40).cumsum()
    for method in METHODS:
        once, tenfold = foresee(method, series, 12, 3), foresee(method, 10 * series, 12, 3)
        assert np.allclose(10 * once.values, tenfold.values, rtol=1e-3), method.name


def test_without_the_library_the_fitted_methods_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Naive, seasonal naive and drift need nothing; the others name the extra to install."""
    monkeypatch.setattr(forecasting, "available", lambda: False)
    for method in METHODS:
        if method.fitted:
            with pytest.raises(LibraryAbsentError, match=r"pip install 'revgauge\[forecast\]'"):
                foresee(method, np.arange(30.0) % 7, 12, 2)
        else:
            foresee(method, np.arange(30.0) % 7, 12, 2)


# -- back-tests -------------------------------------------------------------------------------------------------------


def test_errors_are_those_of_the_textbook() -> None:
    """Actuals 100, 50, 0 against 110, 40, 0: misses 10, 10 and 0 over 150; scaled by 5, 20 and 10: 2, 0.5 and 0.

    Symmetric: 20 / 210, 20 / 90 and 0. The excess is 10 - 10 + 0.
    """
    found = errors([100, 50, 0], [110, 40, 0], [5, 20, 10])
    assert found.cases == 3
    assert found.wape == pytest.approx(20 / 150)
    assert found.mase == pytest.approx(2.5 / 3)
    assert found.smape == pytest.approx((20 / 210 + 20 / 90) / 3)
    assert found.bias == pytest.approx(0)
    nothing = errors([0, 0], [1, 0], [0, 0])
    assert (nothing.wape, nothing.mase, nothing.bias) == (None, None, None)
    assert nothing.smape == pytest.approx(1)


def test_a_back_test_never_shows_what_is_to_come() -> None:
    """A method that repeats the greatest value it was shown is asked with series that end before each target."""
    shown: list[int] = []

    def foresees(series: Array, season: int, steps: int) -> Forecast:
        shown.append(len(series))
        assert season == 4
        return Forecast(np.full(steps, series.max()), {})

    (judged,) = back_test([Method("greatest", "the greatest so far", foresees)], list(range(20)), 4, 3)
    # origins after 8 to 17 values; each step is then 1, 2 or 3 above the greatest so far
    assert shown == list(range(8, 18))
    assert [step.cases for step in judged.by_step] == [10, 10, 10]
    assert judged.overall.cases == 30
    assert [step.mase for step in judged.by_step] == pytest.approx([1 / 4, 2 / 4, 3 / 4])


def test_origins_are_the_last_ones_and_a_short_series_is_refused() -> None:
    """At most 24 origins, each with all steps behind it; below the fewest origins there is no back-test."""
    assert origins(100, 12, 6) == range(71, 95)
    assert len(origins(100, 12, 6)) == MOST_ORIGINS
    shortest = shortest_series(12, 6)
    assert len(origins(shortest, 12, 6)) == FEWEST_ORIGINS
    assert len(back_test([BY_NAME["naive"]], [1.0] * shortest, 12, 6)) == 1
    with pytest.raises(ValueError, match="too short"):
        back_test([BY_NAME["naive"]], [1.0] * (shortest - 1), 12, 6)


@pytest.mark.parametrize(
    ("series", "winner"),
    [
        (np.arange(48.0) * 3 + 50, "drift"),  # a straight line
        (np.tile(SEASON, 4), "seasonal_naive"),  # the same year again and again
        (np.full(40, 5.0), "naive"),  # nothing happens: all are right, and the simplest comes first
    ],
)
def test_the_best_method_is_the_one_that_fits(series: Array, winner: str) -> None:
    """On a series made for a method that method wins."""
    judged = back_test([BY_NAME[name] for name in ("naive", "seasonal_naive", "drift")], series, 12, 6)
    assert best(judged).method.name == winner
    assert headline(best(judged).overall) == pytest.approx(0, abs=1e-12)


def test_nothing_beats_naive_on_a_walk_at_random() -> None:
    """Where each step is chance, what follows the trend is no better than the last value, on most of thirty walks."""
    walks = [100 + np.random.default_rng(seed).normal(0, 1, 60).cumsum() for seed in range(30)]
    methods = [BY_NAME["naive"], BY_NAME["drift"], BY_NAME["seasonal_naive"]]
    won = [best(back_test(methods, walk, 12, 3)).method.name for walk in walks]
    assert won.count("naive") > 15


def test_intervals_hold_their_share_of_a_walk_at_random() -> None:
    """For naive on walks at random the model is true, so its 80 % and 95 % intervals hold that share of what comes."""
    held: dict[float, list[float]] = {0.80: [], 0.95: []}
    for seed in range(60):
        walk = np.random.default_rng(seed).normal(0, 1, 80).cumsum()
        (judged,) = back_test([BY_NAME["naive"]], walk, 12, 4)
        for level, share in judged.held.items():
            held[level].append(share)
    for level, shares in held.items():
        assert np.mean(shares) == pytest.approx(level, abs=0.03)


# -- the M3 competition -----------------------------------------------------------------------------------------------


@cache
def m3() -> tuple[dict[str, tuple[list[float], list[float]]], dict[str, Any]]:
    """The past and the 18 months after it of every monthly series, and the errors worked out elsewhere."""
    folder = Path(os.environ["REVGAUGE_DATA"]) / "m3_monthly"
    series: dict[str, tuple[list[float], list[float]]] = {}
    with gzip.open(folder / "m3_monthly.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            past, after = series.setdefault(row["series"], ([], []))
            (past if row["part"] == "train" else after).append(float(row["value"]))
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["values"]
    return series, {entry["id"]: entry["value"] for entry in expected}


def competition(name: str) -> tuple[float, float]:
    """Mean sMAPE in percent and mean MASE of a method over all series, as the competition counts them."""
    series, _ = m3()
    found = []
    for past, after in series.values():
        known = np.array(past)
        told = errors(after, foresee(BY_NAME[name], known, 12, STEPS).values.tolist(), [scale_of(known, 12)] * STEPS)
        found.append((100 * (told.smape or 0), told.mase or 0))
    smape, mase = np.mean(found, axis=0)
    return float(smape), float(mase)


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize(("name", "benchmark"), [("naive", "Naive"), ("seasonal_naive", "sNaive")])
def test_arithmetic_methods_have_the_errors_of_the_competition(name: str, benchmark: str) -> None:
    """On 1,428 series naive and seasonal naive miss by exactly what was worked out without this program."""
    smape, mase = competition(name)
    told = m3()[1]["benchmarks"][benchmark]
    assert smape == pytest.approx(told["smape"], abs=1e-7)
    assert mase == pytest.approx(told["mase"], abs=1e-7)


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("name", "known", "within"),
    [
        ("theta", "Theta", 0.1),  # least squares there and here, but another first level
        ("smoothing", "SES", 0.1),
        ("theta", "submitted_THETA", 0.1),  # what the authors of the method submitted
        ("damped_trend", "submitted_DAMPEN", 0.6),  # submitted in 2000: today's optimiser does better
    ],
)
def test_fitted_methods_have_the_errors_that_are_published(name: str, known: str, within: float) -> None:
    """On 1,428 series theta and exponential smoothing agree with the published forecasts and benchmarks.

    Means of sMAPE in percent within a tenth of a point, of MASE within 0.03.
    """
    _, expected = m3()
    told = expected["benchmarks"].get(known) or expected[known]
    smape, mase = _fitted(name)
    assert smape == pytest.approx(told["smape"], abs=within)
    assert mase == pytest.approx(told["mase"], abs=0.03)


@cache
def _fitted(name: str) -> tuple[float, float]:
    return competition(name)


@pytest.mark.slow
@pytest.mark.needs_data
def test_fitted_methods_beat_naive_in_the_competition() -> None:
    """As in the competition, theta misses by less than smoothing of the level, and both by less than naive."""
    theta, smoothing, naive = _fitted("theta")[0], _fitted("smoothing")[0], competition("naive")[0]
    assert theta < smoothing < naive
