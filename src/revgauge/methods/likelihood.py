"""The largest likelihood of a model with positive parameters, searched from several starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Likelihood = Callable[[Array], tuple[float, Array]]
"""Given the logarithms of the parameters: the log-likelihood and its slope along each of these logarithms."""

WIDEST = 14.0
"""Logarithms of parameters are searched within this distance of 0: from about one millionth to one million."""
ENOUGH = 1e-6
"""A slope, for each case, below which a maximum is reached."""
ALIKE = 1e-9
"""Likelihoods for each case that differ by no more are of the same maximum."""
AGREED = 3
"""So many starts that arrive at the largest maximum found so far are enough."""


def largest(likelihood: Likelihood, starts: Iterable[Iterable[float]], cases: float) -> tuple[Array, float] | None:
    """The parameters at which the likelihood is largest, and its logarithm there; None where no search arrives.

    Parameters are searched as logarithms, so that they stay above zero. A search that stops anywhere but at a maximum,
    or at the border of what is searched, does not count.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - a second to load, and only a fit needs it

    def loss(logs: Array) -> tuple[float, Array]:
        value, slope = likelihood(logs)
        if not np.isfinite(value):
            return np.inf, np.zeros_like(logs)
        return -value / cases, -slope / cases

    best: Any = None
    reached = 0
    for start in starts:
        found = minimize(
            loss,
            np.log(np.array(list(start), dtype=np.float64)),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-WIDEST, WIDEST)] * len(list(start)),
            options={"maxiter": 2000, "maxfun": 5000, "ftol": 1e-15, "gtol": 1e-10},
        )
        if not np.isfinite(found.fun):
            continue
        same = best is not None and abs(found.fun - best.fun) <= ALIKE * max(1.0, abs(best.fun))
        reached = reached + 1 if same else 1 if best is None or found.fun < best.fun else reached
        if best is None or found.fun < best.fun:
            best = found
        if reached == AGREED:
            break
    if best is None:
        return None
    inside = np.abs(best.x) < WIDEST
    if np.any(np.abs(best.jac[inside]) > ENOUGH):
        return None
    return np.exp(best.x), float(-best.fun * cases)
