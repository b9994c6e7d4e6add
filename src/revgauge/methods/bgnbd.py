"""The BG/NBD model of Fader, Hardie and Lee (2005): buyers without contracts, who stop without saying so.

While a buyer is alive it buys at a rate of its own, and after each purchase it may stop, with a chance of its own.
Rates are gamma distributed over buyers (`r`, `alpha`), chances beta distributed (`a`, `b`). A buyer is told by three
numbers: `x`, how often it bought again after the first time; `last`, the time from the first purchase to the last; and
`age`, the time from the first purchase to the end of the observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revgauge.methods.likelihood import largest

Array = npt.NDArray[np.float64]

NAMES = ("r", "alpha", "a", "b")
AT_ONCE = 4096
"""So many buyers are worked out at once, to keep what is held in memory small."""


@dataclass(frozen=True)
class Parameters:
    """The four parameters, in the unit of time in which buyers are told."""

    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Parameters:
        """Parameters by name; ValueError that says what is wrong if one is missing, unknown, or not above zero."""
        wrong = [f"{name} is missing" for name in NAMES if name not in given]
        wrong += [f"{name} is no parameter" for name in given if name not in NAMES]
        numbers: dict[str, float] = {}
        for name in NAMES:
            try:
                numbers[name] = float(given.get(name, 1))
            except (TypeError, ValueError):
                wrong.append(f"{name} = {given[name]!r} is no number")
                continue
            if not (numbers[name] > 0 and np.isfinite(numbers[name])):
                wrong.append(f"{name} = {given[name]} is not above 0")
        if wrong:
            raise ValueError(f"a BG/NBD model needs r, alpha, a and b, each above 0: {', '.join(wrong)}")
        return cls(**numbers)


def _gone(parameters: Parameters, x: Array, last: Array, age: Array) -> Array:
    """The odds that a buyer has stopped by the end: zero without a repeat, of which the model sees no stopping."""
    again = np.maximum(x, 1)
    odds = np.log(parameters.a) - np.log(parameters.b + again - 1)
    odds = odds + (parameters.r + x) * (np.log(parameters.alpha + age) - np.log(parameters.alpha + last))
    return np.where(x > 0, np.exp(np.minimum(odds, 700)), 0.0)


def alive(parameters: Parameters, x: Array, last: Array, age: Array) -> Array:
    """The probability that each buyer is still one at the end of the observation."""
    result: Array = 1 / (1 + _gone(parameters, x, last, age))
    return result


def expected(parameters: Parameters, x: Array, last: Array, age: Array, horizon: float) -> Array:
    """How many purchases each buyer is expected to make in the time after the end of the observation.

    Given that a buyer is alive, its chance p to stop is beta distributed with a and b + x, and its rate gamma
    distributed with r + x and alpha + T; with both known it would make (1 - (1 + p t / (alpha + T))^-(r + x)) / p
    purchases in the time t, on average over the rates. That is summed up over the chances, and multiplied by the
    probability of being alive. The published formula is the same in closed form, with a hypergeometric function; it
    divides by zero where a is 1, and runs out of range for large parameters, where this does not.
    """
    scaled = horizon / (parameters.alpha + age)
    bought = np.zeros_like(scaled)
    for often in np.unique(x).tolist():
        here = np.flatnonzero(x == often)
        shape = parameters.r + often
        chances, weights = _chances(parameters.a, parameters.b + often, shape, float(scaled[here].max()))
        for start in range(0, here.size, AT_ONCE):
            some = here[start : start + AT_ONCE]
            made = -np.expm1(-shape * np.log1p(np.outer(scaled[some], chances))) / chances
            bought[some] = made @ weights
    result: Array = bought * alive(parameters, x, last, age)
    return result


def _chances(a: float, b: float, shape: float, scaled: float) -> tuple[Array, Array]:
    """Chances at which to look, and the weight of each in a beta distribution with a and b.

    They lie at equal steps of the logit of the chance, over which a sum is as good as the integral, down to the last
    digits, while the steps are small against the distribution. Where it falls off slowly, the steps go on to where what
    is bought no longer depends on the chance, and what lies beyond is a geometric series.
    """
    centre, width = np.log(a / b), np.sqrt((a + b) / (a * b))
    step = min(0.25, width / 4)
    lowest = max(centre - 45 / a - 10 * width, -40 - np.log(max(shape * scaled, 1.0)))
    highest = min(centre + 45 / b + 10 * width, 40 + np.log1p(shape))
    logit = np.arange(lowest, highest + step, step)
    log_chance, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    density = a * log_chance + b * log_rest
    weights = np.exp(density - density.max())
    weights[0] /= -np.expm1(-a * step)
    weights[-1] /= -np.expm1(-b * step)
    chances: Array = np.exp(log_chance)
    return chances, weights / weights.sum()


def fit(
    x: Array, last: Array, age: Array, counts: Array | None = None, start: Parameters | None = None
) -> tuple[Parameters, float] | None:
    """The parameters under which what was observed is likeliest, and its log-likelihood.

    `counts` says how many buyers are alike. A `start` near the answer, such as the fit of the month before, is tried
    alone first. None where nothing can be fitted: nobody bought again, or no search arrives at a maximum.
    """
    weights = np.ones_like(x) if counts is None else counts.astype(np.float64)
    if x.size == 0 or not (x > 0).any():
        return None
    likelihood = _Likelihood(x, last, age, weights)
    cases = float(weights.sum())
    if start is not None:
        tried = largest(likelihood, [(start.r, start.alpha, start.a, start.b)], cases)
        if tried is not None:
            return Parameters(*map(float, tried[0])), tried[1]
    pace = max(float((weights * age).sum()), 1e-9) / max(float((weights * x).sum()), 1e-9)
    starts = [(r, max(r * pace, 1e-4), a, b) for r in (0.3, 1.0, 3.0) for a, b in ((0.5, 2.0), (1.5, 1.5), (0.1, 5.0))]
    found = largest(likelihood, starts, cases)
    return None if found is None else (Parameters(*map(float, found[0])), found[1])


class _Likelihood:
    """The log-likelihood of buyers and its slope along the logarithm of each parameter."""

    def __init__(self, x: Array, last: Array, age: Array, weights: Array) -> None:
        from scipy.special import digamma, gammaln  # noqa: PLC0415 - the same

        self.gammaln, self.digamma = gammaln, digamma
        self.x, self.last, self.age, self.weights = x, last, age, weights
        self.again = x > 0
        self.least = np.maximum(x, 1)

    def __call__(self, logs: Array) -> tuple[float, Array]:
        """The value and the slope, the two ways to have made no purchase since the last added as logarithms."""
        r, alpha, a, b = np.exp(logs)
        x, gammaln, digamma = self.x, self.gammaln, self.digamma
        late, early = np.log(alpha + self.age), np.log(alpha + self.last)
        still = -(r + x) * late
        stopped = np.where(self.again, np.log(a) - np.log(b + self.least - 1) - (r + x) * early, -np.inf)
        either = np.logaddexp(still, stopped)
        value = (
            gammaln(r + x) - gammaln(r) + r * np.log(alpha)
            + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
            + either
        )  # fmt: skip
        chance = np.exp(stopped - either)
        both = digamma(a + b) - digamma(a + b + x)
        slopes = (
            r * (digamma(r + x) - digamma(r) + np.log(alpha) - (1 - chance) * late - chance * early),
            r - alpha * (r + x) * ((1 - chance) / (alpha + self.age) + chance / (alpha + self.last)),
            a * both + chance,
            b * (both + digamma(b + x) - digamma(b) - chance / (b + self.least - 1)),
        )
        total = np.array([float((self.weights * slope).sum()) for slope in slopes])
        return float((self.weights * value).sum()), total
