"""The gamma-gamma model: means of few purchases are drawn towards the mean of all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from revgauge.methods.gamma_gamma import Array, Spending, expected_spend, fit_spending

CDNOW = Spending(6.25, 3.74, 15.44)
"""Published for the buyers of CDNOW: Fader, Hardie (2013)."""


def test_the_mean_of_all_is_that_of_the_published_model() -> None:
    """With the published parameters buyers spend 6.25 x 15.44 / 2.74 = 35.22 on average."""
    assert CDNOW.mean == pytest.approx(6.25 * 15.44 / 2.74)


def test_a_mean_counts_for_more_the_more_purchases_it_rests_on() -> None:
    """A buyer of one hundred on average is expected to spend (2.74 x 35.22 + 6.25 x 100 x) / (2.74 + 6.25 x)."""
    x = np.array([0.0, 1.0, 2.0, 1000.0])
    found = expected_spend(CDNOW, x, np.full(4, 100.0))
    assert found is not None
    overall = 6.25 * 15.44 / 2.74
    by_hand = [(2.74 * overall + 6.25 * n * 100) / (2.74 + 6.25 * n) for n in (0, 1, 2, 1000)]
    assert found.tolist() == pytest.approx(by_hand)
    assert found[0] < found[1] < found[2] < found[3] < 100


def test_without_a_mean_nothing_is_expected() -> None:
    """Where q is 1 or below the model has no mean, so none is given."""
    assert Spending(1.0, 1.0, 5.0).mean is None
    assert expected_spend(Spending(1.0, 0.9, 5.0), np.array([1.0]), np.array([3.0])) is None


@pytest.mark.parametrize("mean", [[10.0, 10.0, 10.0], [10.0, 20.0]])
def test_too_little_to_fit(mean: list[float]) -> None:
    """Buyers who all spend the same, or fewer than three, say nothing of how buyers differ."""
    assert fit_spending(np.ones(len(mean)), np.array(mean)) is None


@pytest.mark.slow
def test_a_fit_finds_the_model_that_spending_was_drawn_from() -> None:
    """From 20,000 drawn buyers a likelier model is found than the one they were drawn from, near it, in any currency.

    What buyers spend differs much, so that `p` and `v` are told only roughly, and their product, the mean, well.
    """
    dice = np.random.default_rng(3)
    model = Spending(6.0, 4.0, 15.0)
    x = dice.integers(1, 12, 20_000).astype(np.float64)
    scale = dice.gamma(model.q, 1 / model.v, x.size)
    mean = dice.gamma(model.p * x, 1 / scale) / x
    for rate in (1.0, 1500.0):
        found = fit_spending(x, mean * rate)
        assert found is not None
        fitted, likelihood = found
        drawn_from = Spending(model.p, model.q, model.v * rate)
        assert likelihood == pytest.approx(log_likelihood(fitted, x, mean * rate), abs=1e-3)
        assert likelihood > log_likelihood(drawn_from, x, mean * rate)
        assert fitted.mean == pytest.approx(drawn_from.mean, rel=0.02)
        assert fitted.q == pytest.approx(model.q, rel=0.05)
        assert fitted.p == pytest.approx(model.p, rel=0.15)


def log_likelihood(model: Spending, x: Array, mean: Array) -> float:
    """The likelihood as published, buyer by buyer, in plain numbers."""
    total = 0.0
    for often, spent in zip(x.tolist(), mean.tolist(), strict=True):
        shape = model.p * often
        total += math.lgamma(shape + model.q) - math.lgamma(shape) - math.lgamma(model.q) + model.q * math.log(model.v)
        total += (shape - 1) * math.log(spent) + shape * math.log(often)
        total -= (shape + model.q) * math.log(model.v + often * spent)
    return total
