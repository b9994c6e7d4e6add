"""Back-tests: what each method would have said at earlier times, against what came.

The origin rolls: at each of the last so many steps every method sees the series up to there and no further, and is held
against the steps behind it. All methods are judged on the same origins and steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from revgauge.methods.forecasting import Array, Forecast, Method, foresee

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


def errors(actuals: Sequence[float], foreseen: Sequence[float], scales: Sequence[float]) -> Errors:
    """How far forecasts were from their actuals; `scales` are the misses of seasonal naive, see `scale_of`."""
    actual, said, scale = (np.array(each, dtype=np.float64) for each in (actuals, foreseen, scales))
    misses, size = np.abs(actual - said), float(np.abs(actual).sum())
    both = np.abs(actual) + np.abs(said)
    shares = np.divide(2 * misses, both, out=np.zeros_like(misses), where=both > 0)
    scaled = misses[scale > 0] / scale[scale > 0]
    return Errors(
        len(misses),
        float(misses.sum()) / size if size else None,
        float(scaled.mean()) if len(scaled) else None,
        float(shares.mean()) if len(shares) else None,
        float((said - actual).sum()) / size if size else None,
    )


@dataclass
class _Cases:
    actuals: list[float] = field(default_factory=list)
    foreseen: list[float] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    inside: dict[float, list[bool]] = field(default_factory=dict)

    def add(self, actual: float, forecast: Forecast, step: int, scale: float) -> None:
        """One step of a forecast against what came."""
        self.actuals.append(actual)
        self.foreseen.append(float(forecast.values[step]))
        self.scales.append(scale)
        for level, (low, high) in forecast.intervals.items():
            self.inside.setdefault(level, []).append(bool(low[step] <= actual <= high[step]))

    def errors(self) -> Errors:
        """How far off they were."""
        return errors(self.actuals, self.foreseen, self.scales)


@dataclass(frozen=True)
class Judged:
    """A method's errors over all steps, and step by step."""

    method: Method
    overall: Errors
    by_step: tuple[Errors, ...]
    held: Mapping[float, float]
    """For each level the share of actuals that its intervals held, which should be the level."""


def shortest_past(season: int) -> int:
    """How many values a method must have seen before it is judged: a year, and not too few."""
    return max(season, SHORTEST_PAST)


def shortest_series(season: int, steps: int) -> int:
    """How many values a series must have for a back-test so many steps ahead."""
    return shortest_past(season) + steps + FEWEST_ORIGINS - 1


def origins(length: int, season: int, steps: int) -> range:
    """After how many values of the series a forecast is tried: the last origins that have all steps behind them."""
    last = length - steps
    return range(max(shortest_past(season), last - MOST_ORIGINS + 1), last + 1)


def scale_of(known: Array, season: int) -> float:
    """The mean miss of seasonal naive within a series; of naive where it is not longer than a season."""
    lag = season if len(known) > season else 1
    return float(np.abs(known[lag:] - known[:-lag]).mean())


def back_test(methods: Sequence[Method], series: Sequence[float] | Array, season: int, steps: int) -> list[Judged]:
    """The errors of each method at the last origins of the series, each of them with all steps behind it.

    Raises ValueError if the series is shorter than `shortest_series`.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < shortest_series(season, steps):
        raise ValueError(f"a series of {len(values)} values is too short")
    cases: dict[str, list[_Cases]] = {method.name: [_Cases() for _ in range(steps)] for method in methods}
    for origin in origins(len(values), season, steps):
        known = values[:origin]
        scale = scale_of(known, season)
        for method in methods:
            forecast = foresee(method, known, season, steps)
            for step, case in enumerate(cases[method.name]):
                case.add(float(values[origin + step]), forecast, step, scale)
    return [_judged(method, cases[method.name]) for method in methods]


def _judged(method: Method, by_step: Sequence[_Cases]) -> Judged:
    every = _Cases()
    inside: dict[float, list[bool]] = {}
    for case in by_step:
        every.actuals += case.actuals
        every.foreseen += case.foreseen
        every.scales += case.scales
        for level, found in case.inside.items():
            inside.setdefault(level, []).extend(found)
    held = {level: sum(found) / len(found) for level, found in inside.items()}
    return Judged(method, every.errors(), tuple(case.errors() for case in by_step), held)


def headline(errors: Errors) -> float:
    """The error by which methods are ranked: WAPE, or the scaled one where all actuals are 0; endless if neither is."""
    known = [error for error in (errors.wape, errors.mase) if error is not None]
    return known[0] if known else float("inf")


def best(judged: Sequence[Judged]) -> Judged:
    """The method with the smallest error over all steps; of equal ones the first, which is the simplest."""
    return min(judged, key=lambda one: headline(one.overall))
