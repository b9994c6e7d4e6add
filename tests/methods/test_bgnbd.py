"""The BG/NBD model: against published results, against the integrals that its formulas solve, and at its edges."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.special import hyp2f1

from revgauge.methods.bgnbd import Array, Parameters, alive, expected, fit
from revgauge.methods.gamma_gamma import expected_spend, fit_spending

CDNOW = Parameters(0.243, 4.414, 0.793, 2.426)
"""Published for the buyers of CDNOW: Fader, Hardie, Lee (2005)."""
CALIBRATED = date(1997, 9, 30)
WEEKS = 39.0

MODELS = (
    CDNOW,
    Parameters(0.243, 4.4, 1.0, 2.4),
    Parameters(0.243, 4.4, 1.0 + 1e-9, 2.4),
    Parameters(0.243, 4.4, 1.0 - 1e-6, 2.4),
    Parameters(0.243, 4.4, 1.0001, 2.4),
    Parameters(5.0, 0.1, 3.0, 0.01),
    Parameters(0.01, 1.0, 0.3, 0.5),
    Parameters(0.5, 1.0, 0.3, 0.7),
    Parameters(0.5, 1.0, 0.3, 0.7 + 1e-7),
    Parameters(100.0, 500.0, 2.0, 3.0),
)
"""Among them a at and near 1, where the published formula divides by zero, and a + b = 1, where a series has a pole."""
BUYERS = (
    (0.0, 0.0, 10.0, 39.0),
    (2.0, 30.43, 38.86, 39.0),
    (200.0, 300.0, 301.0, 52.0),
    (3.0, 1.0, 100.0, 5200.0),
    (40.0, 39.0, 39.5, 1e6),
)
"""Repeats, time of the last, age and horizon: also without a repeat, with many, and far ahead."""


def one(number: float) -> Array:
    """A single number as an array."""
    return np.array([number])


def by_integral(model: Parameters, x: float, last: float, age: float, horizon: float) -> float:
    """The expectation as what it is: over the chance p to stop, of (1 - (1 + p t / (alpha + T))^-(r + x)) / p.

    Given that it is alive, a buyer's p is beta distributed with a and b + x, and its rate gamma distributed with r + x
    and alpha + T. The sum is over the logit of p, where the integrand falls off on both sides.
    """
    b = model.b + x
    logit = np.linspace(-800 / min(model.a, 1), 60 / min(b, 1), 400_001)
    log_p, log_q = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    p = np.exp(log_p)
    shape, scaled = model.r + x, horizon / (model.alpha + age)
    bought = np.where(p < 1e-290, shape * scaled, -np.expm1(-shape * np.log1p(scaled * p)) / np.maximum(p, 1e-300))
    beta = math.lgamma(model.a) + math.lgamma(b) - math.lgamma(model.a + b)
    density = np.exp(model.a * log_p + b * log_q - beta)
    total = float((bought * density).sum() * (logit[1] - logit[0]))
    return total * float(alive(model, one(x), one(last), one(age))[0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("buyer", BUYERS)
def test_the_expectation_is_the_integral_that_it_stands_for(
    model: Parameters, buyer: tuple[float, float, float, float]
) -> None:
    """The closed form agrees with a plain sum over the chance to stop, at every edge of the formula."""
    x, last, age, horizon = buyer
    found = float(expected(model, one(x), one(last), one(age), horizon)[0])
    assert found == pytest.approx(by_integral(model, x, last, age, horizon), rel=1e-7)


def by_formula(model: Parameters, x: float, last: float, age: float, horizon: float) -> float:
    """The published formula as it is printed."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    z = horizon / (alpha + age + horizon)
    series = hyp2f1(r + x, b + x, a + b + x - 1, z)
    bought = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + horizon)) ** (r + x) * series)
    stopped = a / (b + x - 1) * ((alpha + age) / (alpha + last)) ** (r + x) if x else 0
    return float(bought / (1 + stopped))


@pytest.mark.parametrize("model", [CDNOW, Parameters(0.9, 7.2, 0.76, 3.7), Parameters(2.0, 10.0, 1.5, 4.0)])
@pytest.mark.parametrize("buyer", [*BUYERS[:2], (1.0, 0.0, 52.0, 52.0), (12.0, 50.0, 52.0, 26.0)])
def test_the_expectation_is_that_of_the_published_formula(
    model: Parameters, buyer: tuple[float, float, float, float]
) -> None:
    """In the range of usual parameters it agrees with the formula of the paper, letter by letter."""
    x, last, age, horizon = buyer
    found = float(expected(model, one(x), one(last), one(age), horizon)[0])
    assert found == pytest.approx(by_formula(model, x, last, age, horizon), rel=1e-9)


def test_buyers_are_worked_out_together_as_each_alone() -> None:
    """Ten thousand buyers at once give what each gives alone, whatever their order."""
    dice = np.random.default_rng(5)
    x = dice.integers(0, 3, 10_000).astype(np.float64)
    age = dice.uniform(20, 60, x.size)
    last = np.where(x > 0, age * dice.random(x.size), 0.0)
    together = expected(CDNOW, x, last, age, WEEKS)
    for place in (0, 1, 4095, 4096, 9999):
        alone = expected(CDNOW, x[[place]], last[[place]], age[[place]], WEEKS)
        assert together[place] == pytest.approx(float(alone[0]), rel=1e-12)


def test_models_at_the_border_of_what_is_searched_give_numbers() -> None:
    """With parameters of a million or a millionth the expectation is a number between 0 and that of never stopping."""
    for a, b in ((1e6, 1e-6), (1e-6, 1e6), (1e6, 1e6), (1e-6, 1e-6)):
        model = Parameters(1.0, 10.0, a, b)
        found = float(expected(model, one(3), one(20), one(30), WEEKS)[0])
        assert 0 <= found <= 4 * WEEKS / 40 * (1 + 1e-9)


def test_the_worked_example_of_the_paper() -> None:
    """A buyer with 2 repeats, the last after 30.43 of 38.86 weeks, is expected to buy 1.226 times in 39 weeks."""
    found = expected(CDNOW, one(2), one(30.43), one(38.86), WEEKS)
    assert float(found[0]) == pytest.approx(1.226, abs=5e-4)


def test_who_never_bought_again_counts_as_alive() -> None:
    """Without a repeat the model sees no chance to have stopped, and with many long ago it is next to certain."""
    assert float(alive(CDNOW, one(0), one(0), one(1e6))[0]) == 1.0
    assert float(alive(CDNOW, one(500), one(10), one(1e6))[0]) == pytest.approx(0, abs=1e-200)


def test_nothing_is_expected_in_no_time_and_more_in_more() -> None:
    """Over a horizon of nothing the expectation is 0; it grows with the horizon."""
    found = [float(expected(CDNOW, one(2), one(30.43), one(38.86), weeks)[0]) for weeks in (0.0, 1.0, 10.0, 1e4)]
    assert found[0] == 0.0
    assert found == sorted(set(found))


def test_a_fit_needs_somebody_who_bought_again() -> None:
    """Of buyers who bought once each nothing can be fitted, and of nobody neither."""
    nothing = np.zeros(3)
    assert fit(nothing, nothing, np.array([1.0, 2.0, 3.0])) is None
    assert fit(np.zeros(0), np.zeros(0), np.zeros(0)) is None


def drawn(count: int, model: Parameters, weeks: float, seed: int) -> tuple[Array, Array, Array]:
    """Buyers drawn from the model itself, all seen from their first purchase for so many weeks."""
    dice = np.random.default_rng(seed)
    x, last = np.zeros(count), np.zeros(count)
    for buyer in range(count):
        rate, stop = dice.gamma(model.r, 1 / model.alpha), dice.beta(model.a, model.b)
        clock = 0.0
        while True:
            clock += dice.exponential(1 / rate)
            if clock > weeks:
                break
            x[buyer], last[buyer] = x[buyer] + 1, clock
            if dice.random() < stop:
                break
    return x, last, np.full(count, weeks)


@pytest.mark.slow
def test_a_fit_finds_the_model_that_buyers_were_drawn_from() -> None:
    """From 20,000 drawn buyers the parameters come back to within a tenth, and none is likelier."""
    model = Parameters(0.8, 5.0, 0.9, 3.0)
    x, last, age = drawn(20_000, model, 52.0, seed=1)
    found = fit(x, last, age)
    assert found is not None
    fitted, likelihood = found
    for name in ("r", "alpha", "a", "b"):
        assert getattr(fitted, name) == pytest.approx(getattr(model, name), rel=0.1)
        for factor in (0.999, 1.001):
            moved = Parameters(**{**vars(fitted), name: getattr(fitted, name) * factor})
            assert log_likelihood(moved, x, last, age) < likelihood


def log_likelihood(model: Parameters, x: Array, last: Array, age: Array) -> float:
    """The likelihood as published, buyer by buyer, in plain numbers."""
    total = 0.0
    for often, late, old in zip(x.tolist(), last.tolist(), age.tolist(), strict=True):
        r, alpha, a, b = model.r, model.alpha, model.a, model.b
        first = math.lgamma(r + often) - math.lgamma(r) + r * math.log(alpha)
        second = math.lgamma(a + b) + math.lgamma(b + often) - math.lgamma(b) - math.lgamma(a + b + often)
        ways = (alpha + old) ** -(r + often)
        if often:
            ways += a / (b + often - 1) * (alpha + late) ** -(r + often)
        total += first + second + math.log(ways)
    return total


@pytest.mark.slow
def test_buyers_alike_may_be_told_together_and_a_start_saves_the_search() -> None:
    """Counts stand for repeated buyers; a fit from the answer arrives at the same answer."""
    x, last, age = drawn(300, CDNOW, 100.0, seed=2)
    alone = fit(np.concatenate([x, x]), np.concatenate([last, last]), np.concatenate([age, age]))
    together = fit(x, last, age, np.full(300, 2.0))
    assert alone is not None
    assert together is not None
    assert vars(together[0]) == pytest.approx(vars(alone[0]), rel=1e-5)
    assert together[1] == pytest.approx(alone[1])
    again = fit(x, last, age, np.full(300, 2.0), start=together[0])
    assert again is not None
    assert vars(again[0]) == pytest.approx(vars(together[0]), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"r": 1, "alpha": 1, "a": 1}, "b is missing"),
        ({"r": 1, "alpha": 0, "a": 1, "b": 1}, "alpha = 0 is not above 0"),
        ({"r": "x", "alpha": 1, "a": 1, "b": 1}, "r = 'x' is no number"),
        ({"r": 1, "alpha": 1, "a": 1, "b": 1, "s": 1}, "s is no parameter"),
    ],
)
def test_parameters_that_are_none_are_refused(given: dict[str, object], wrong: str) -> None:
    """A missing, unknown or impossible parameter is named."""
    with pytest.raises(ValueError, match=wrong):
        Parameters.read(given)


# -- the published data -----------------------------------------------------------------------------------------------


def cdnow() -> tuple[Path, dict[str, dict[str, float]]]:
    """The folder of the data of CDNOW, and the reference values beside them."""
    folder = Path(os.environ["REVGAUGE_DATA"]).expanduser() / "cdnow"
    if not (folder / "CDNOW_sample.txt.gz").exists():
        pytest.fail(f"{folder} lacks CDNOW_sample.txt.gz: it is in the package lifetimes, as CDNOW_sample.txt")
    listed = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["values"]
    return folder, {item["id"]: item["value"] for item in listed}


def purchases(folder: Path) -> list[dict[date, float]]:
    """For each buyer of CDNOW what it spent on each day of purchase."""
    bought: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    with gzip.open(folder / "CDNOW_sample.txt.gz", "rt", encoding="ascii") as file:
        for line in file:
            _, buyer, day, _, dollars = line.split()
            bought[buyer][datetime.strptime(day, "%Y%m%d").date()] += float(dollars)  # noqa: DTZ007 - a plain day
    return list(bought.values())


@pytest.mark.needs_data
@pytest.mark.slow
def test_the_published_figures_of_cdnow() -> None:
    """Fitted to 39 weeks of 2,357 buyers, both models have the published parameters and foresee the published numbers.

    Fader, Hardie, Lee (2005) and Fader, Hardie (2013); digits beyond the printed ones were worked out apart.
    """
    folder, values = cdnow()
    x, last, age, mean = [], [], [], []
    for days in purchases(folder):
        seen = sorted(day for day in days if day <= CALIBRATED)
        x.append(len(seen) - 1)
        last.append((seen[-1] - seen[0]).days / 7)
        age.append((CALIBRATED - seen[0]).days / 7)
        mean.append(sum(days[day] for day in seen[1:]) / max(1, len(seen) - 1))
    often, late, old = (np.array(column, dtype=np.float64) for column in (x, last, age))
    found = fit(often, late, old)
    assert found is not None
    fitted, likelihood = found
    for digits, source in ((3, "bgnbd_published"), (6, "bgnbd")):
        for name in ("r", "alpha", "a", "b"):
            assert getattr(fitted, name) == pytest.approx(values[source][name], abs=0.6 * 10**-digits)
    assert likelihood == pytest.approx(values["bgnbd"]["log_likelihood"], abs=1e-5)
    ahead = expected(fitted, often, late, old, WEEKS)
    assert float(ahead.sum()) == pytest.approx(values["bgnbd_holdout_total"]["expected"], abs=1e-3)
    assert float(alive(fitted, often, late, old).mean()) == pytest.approx(float(values["bgnbd_share_alive"]), abs=1e-6)  # type: ignore[arg-type] # a single number
    spent = fit_spending(often, np.array(mean))
    assert spent is not None
    for name in ("p", "q", "v"):
        assert getattr(spent[0], name) == pytest.approx(values["gammagamma"][name], abs=1e-4)
    assert spent[1] == pytest.approx(values["gammagamma"]["log_likelihood"], abs=1e-4)
    assert spent[0].mean == pytest.approx(values["gammagamma"]["population_mean"], abs=1e-5)
    means = expected_spend(spent[0], often, np.array(mean))
    assert means is not None
    assert float((ahead * means).sum()) == pytest.approx(values["expected_holdout_revenue"]["expected"], abs=0.05)
