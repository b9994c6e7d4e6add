"""Back-tests: what each method would have said at earlier times, against what came.

The origin rolls: at each of the last so many steps every method sees the series up to there and no further, and is held
against the steps behind it. All methods are judged on the same origins and steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from revgauge.methods.forecasting import Array, Method, foresee

MOST_ORIGINS = 24
FEWEST_ORIGINS = 4
SHORTEST_PAST = 8


@dataclass(frozen=True)
class Errors:
    """How far forecasts were off, over some cases; None where it is not defined."""

    cases: int
    wape: float | None
    """Sum of misses over the sum of actuals without their sign."""
    mase: float | None
    """Mean miss over the mean miss of seasonal naive within what was known: below 1 is better than that."""
    smape: float | None
    """Mean of twice the miss over actual and forecast together, from 0 to 2."""
    bias: float | None
    """Sum of forecast less actual over the sum of actuals: above 0 is too high."""


@dataclass
class _Cases:
    actuals: list[float] = field(default_factory=list)
    foreseen: list[float] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)

    def errors(self) -> Errors:
        actual, foreseen, scale = (np.array(each) for each in (self.actuals, self.foreseen, self.scales))
        misses, size = np.abs(actual - foreseen), float(np.abs(actual).sum())
        both = np.abs(actual) + np.abs(foreseen)
        shares = np.divide(2 * misses, both, out=np.zeros_like(misses), where=both > 0)
        scaled = misses[scale > 0] / scale[scale > 0]
        return Errors(
            len(misses),
            float(misses.sum()) / size if size else None,
            float(scaled.mean()) if len(scaled) else None,
            float(shares.mean()) if len(shares) else None,
            float((foreseen - actual).sum()) / size if size else None,
        )


@dataclass(frozen=True)
class Judged:
    """A method's errors over all steps, and step by step."""

    method: Method
    overall: Errors
    by_step: tuple[Errors, ...]


def shortest_past(season: int) -> int:
    """How many values a method must have seen before it is judged: a year, and not too few."""
    return max(season, SHORTEST_PAST)


def shortest_series(season: int, steps: int) -> int:
    """How many values a series must have for a back-test so many steps ahead."""
    return shortest_past(season) + steps + FEWEST_ORIGINS - 1


def scale_of(known: Array, season: int) -> float:
    """The mean miss of seasonal naive within a series; of naive where it is not longer than a season."""
    lag = season if len(known) > season else 1
    return float(np.abs(known[lag:] - known[:-lag]).mean())


def back_test(methods: Sequence[Method], series: Sequence[float], season: int, steps: int) -> list[Judged]:
    """The errors of each method at the last origins of the series, each of them with all steps behind it.

    Raises ValueError if the series is shorter than `shortest_series`.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < shortest_series(season, steps):
        raise ValueError(f"a series of {len(values)} values is too short")
    last = len(values) - steps
    origins = range(max(shortest_past(season), last - MOST_ORIGINS + 1), last + 1)
    cases: dict[str, list[_Cases]] = {method.name: [_Cases() for _ in range(steps)] for method in methods}
    for origin in origins:
        known = values[:origin]
        scale = scale_of(known, season)
        for method in methods:
            foreseen = foresee(method, known, season, steps).values
            for step in range(steps):
                case = cases[method.name][step]
                case.actuals.append(float(values[origin + step]))
                case.foreseen.append(float(foreseen[step]))
                case.scales.append(scale)
    return [_judged(method, cases[method.name]) for method in methods]


def _judged(method: Method, by_step: Sequence[_Cases]) -> Judged:
    every = _Cases(
        [number for case in by_step for number in case.actuals],
        [number for case in by_step for number in case.foreseen],
        [number for case in by_step for number in case.scales],
    )
    return Judged(method, every.errors(), tuple(case.errors() for case in by_step))


def headline(errors: Errors) -> float:
    """The error by which methods are ranked: WAPE, or the scaled one where all actuals are 0; endless if neither is."""
    known = [error for error in (errors.wape, errors.mase) if error is not None]
    return known[0] if known else float("inf")


def best(judged: Sequence[Judged]) -> Judged:
    """The method with the smallest error over all steps; of equal ones the first, which is the simplest."""
    return min(judged, key=lambda one: headline(one.overall))


def errors_by_name(judged: Sequence[Judged]) -> Mapping[str, Errors]:
    """The overall errors by the name of the method."""
    return {one.method.name: one.overall for one in judged}
