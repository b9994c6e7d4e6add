"""The gamma-gamma model of Fader and Hardie (2013): what a buyer spends on average, from few purchases.

The mean of few purchases says little about the buyer, so it is drawn towards the mean of all: the more, the fewer there
are. Purchases of a buyer are gamma distributed (`p`) around a mean of its own, whose inverse scale is gamma distributed
over buyers (`q`, `v`). Spending must not depend on how often a buyer buys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revgauge.methods.likelihood import largest

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spending:
    """The three parameters; `v` is in the currency of the amounts."""

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float | None:
        """What buyers spend on average; None where the model has no mean, which takes q above 1."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else None


def expected_spend(spending: Spending, x: Array, mean: Array) -> Array | None:
    """What each buyer is expected to spend on a purchase, from the mean of `x` purchases; None without a mean of all.

    For x = 0 it is the mean of all.
    """
    overall = spending.mean
    if overall is None:
        return None
    own = spending.p * x / (spending.p * x + spending.q - 1)
    result: Array = (1 - own) * overall + own * np.where(x > 0, mean, 0.0)
    return result


def fit_spending(x: Array, mean: Array) -> tuple[Spending, float] | None:
    """The parameters under which the mean spends of buyers (of x purchases each, above 0) are likeliest.

    None where there are fewer than three buyers, all spend the same, or no search arrives at a maximum.
    """
    from scipy.special import digamma, gammaln  # noqa: PLC0415 - slow to load, and only a fit needs it

    here = (x > 0) & (mean > 0)
    x, mean = x[here], mean[here]
    if x.size < 3 or np.ptp(mean) == 0:
        return None
    scale = float(np.average(mean, weights=x))
    spent = mean / scale  # one is then a usual amount, whatever the currency

    def likelihood(logs: Array) -> tuple[float, Array]:
        p, q, v = np.exp(logs)
        often = p * x
        both = np.log(v + x * spent)
        value: Any = (
            gammaln(often + q) - gammaln(often) - gammaln(q) + q * np.log(v)
            + (often - 1) * np.log(spent) + often * np.log(x) - (often + q) * both
        )  # fmt: skip
        shared = digamma(often + q)
        slopes = (
            often * (shared - digamma(often) + np.log(spent) + np.log(x) - both),
            q * (shared - digamma(q) + np.log(v) - both),
            q - v * (often + q) / (v + x * spent),
        )
        return float(value.sum()), np.array([float(slope.sum()) for slope in slopes])

    starts = [(p, q, max((q - 1) / p, 0.1)) for p in (1.0, 6.0) for q in (1.5, 4.0)]
    found = largest(likelihood, starts, float(x.size))
    if found is None:
        return None
    p, q, v = (float(number) for number in found[0])
    return Spending(p, q, v * scale), found[1] - float(x.size) * float(np.log(scale))
