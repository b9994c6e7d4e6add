"""Forecasts of one series: five methods, each with prediction intervals.

Naive, seasonal naive and drift are arithmetic. Theta and exponential smoothing are fitted by statsmodels, an optional
dependency that is imported when a series is first fitted. They are fitted to the series without its season where a test
finds one, as forecasting competitions do: classical decomposition, with the season put back afterwards.

Intervals are those of normal errors: how far each method missed one step ahead within the series, widened with the
steps as the method's own model says.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVELS = (0.80, 0.95)
"""Shares of cases that the intervals shall hold."""

LIBRARY = "statsmodels"
SEASONAL_TEST = NormalDist().inv_cdf(0.95)
"""The limit of the test for a season: 90 %, to both sides."""


class LibraryAbsentError(ImportError):
    """The library that fits a method is not installed."""

    def __init__(self) -> None:
        """Say what to install."""
        super().__init__(f"it needs {LIBRARY}: pip install 'revgauge[forecast]'")


@dataclass(frozen=True)
class Forecast:
    """What a method says of the next steps."""

    values: Array
    intervals: Mapping[float, tuple[Array, Array]]
    """For each level the low and the high end, step by step; empty where a series is too short to say."""


@dataclass(frozen=True)
class Method:
    """A way to forecast."""

    name: str
    about: str
    foresee: Callable[[Array, int, int], Forecast]
    """Given the series, the steps of a season (1: none) and how many steps to foresee."""
    fitted: bool = False
    """Whether it needs the library."""


def available() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec(LIBRARY) is not None


def _library(name: str) -> Any:
    """A module of the library."""
    if not available():
        raise LibraryAbsentError
    with warnings.catch_warnings():  # it changes what is warned of, for all who run it
        return importlib.import_module(f"{LIBRARY}.{name}")


@contextmanager
def _calm() -> Iterator[None]:
    """A fit at the edge of what is allowed, such as a level that never moves, is an answer and no cause to warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _normal(values: Array, deviations: Array | None) -> Forecast:
    """A forecast with intervals of normal errors with these standard deviations."""
    if deviations is None:
        return Forecast(values, {})
    reach = {level: NormalDist().inv_cdf((1 + level) / 2) * deviations for level in LEVELS}
    return Forecast(values, {level: (values - width, values + width) for level, width in reach.items()})


def _deviation(errors: Array, estimated: int = 0) -> float | None:
    """The standard deviation of errors around 0; None where fewer than two are left for it."""
    free = len(errors) - estimated
    return float(np.sqrt((errors**2).sum() / free)) if free > 1 else None


# -- arithmetic -------------------------------------------------------------------------------------------------------


def naive(series: Array, season: int, steps: int) -> Forecast:
    """The last value again."""
    del season
    deviation = _deviation(np.diff(series))
    ahead = np.arange(1, steps + 1)
    return _normal(np.full(steps, series[-1]), None if deviation is None else deviation * np.sqrt(ahead))


def seasonal_naive(series: Array, season: int, steps: int) -> Forecast:
    """The value of the same season a year before."""
    ahead = np.arange(steps)
    values = series[len(series) - season + ahead % season]
    deviation = _deviation(series[season:] - series[:-season])
    return _normal(values, None if deviation is None else deviation * np.sqrt(ahead // season + 1))


def drift(series: Array, season: int, steps: int) -> Forecast:
    """The last value, moved on by the mean change of the series."""
    del season
    ahead = np.arange(1, steps + 1)
    changes = np.diff(series)
    deviation = _deviation(changes - changes.mean(), 1)
    widths = None if deviation is None else deviation * np.sqrt(ahead * (1 + ahead / len(changes)))
    return _normal(series[-1] + ahead * changes.mean(), widths)


# -- the season -------------------------------------------------------------------------------------------------------


def has_season(series: Array, season: int) -> bool:
    """Whether the autocorrelation at the season is beyond what chance gives, at 90 %."""
    if season <= 1 or len(series) < 3 * season:
        return False
    moved = series - series.mean()
    whole = float((moved**2).sum())
    if whole == 0:
        return False
    correlations = np.array([(moved[lag:] * moved[:-lag]).sum() / whole for lag in range(1, season + 1)])
    limit = SEASONAL_TEST * np.sqrt((1 + 2 * (correlations[:-1] ** 2).sum()) / len(series))
    return bool(abs(correlations[-1]) > limit)


@dataclass(frozen=True)
class _Season:
    """How to take the season out of a series and put it back: a factor, or a sum where values are not positive."""

    indices: Array
    multiplied: bool
    length: int

    @classmethod
    def of(cls, series: Array, season: int) -> _Season:
        """The season by classical decomposition: against a centred moving average."""
        if not has_season(series, season):
            return cls(np.zeros(1), multiplied=False, length=len(series))
        multiplied = bool((series > 0).all())
        weights = np.concatenate([[0.5], np.ones(season - 1), [0.5]]) if season % 2 == 0 else np.ones(season)
        trend = np.convolve(series, weights / season, "valid")
        first = (len(weights) - 1) // 2
        middle = series[first : first + len(trend)]
        apart = middle / trend if multiplied else middle - trend
        place = (np.arange(len(apart)) + first) % season
        indices = np.array([apart[place == number].mean() for number in range(season)])
        indices = indices / indices.mean() if multiplied else indices - indices.mean()
        return cls(indices, multiplied, len(series))

    def _of(self, places: npt.NDArray[np.integer[Any]]) -> Array:
        found: Array = self.indices[places % len(self.indices)]
        return found

    def without(self, series: Array) -> Array:
        """The series without the season."""
        here = self._of(np.arange(len(series)))
        return series / here if self.multiplied else series - here

    def back(self, foreseen: Array) -> Array:
        """What was foreseen, with the season of its steps."""
        here = self._of(self.length + np.arange(len(foreseen)))
        return foreseen * here if self.multiplied else foreseen + here

    def again(self, forecast: Forecast) -> Forecast:
        """A forecast with its season."""
        ends = {level: (self.back(low), self.back(high)) for level, (low, high) in forecast.intervals.items()}
        return Forecast(self.back(forecast.values), ends)


# -- fitted -----------------------------------------------------------------------------------------------------------


def _adjusted(fit: Callable[[Array, int], Forecast]) -> Callable[[Array, int, int], Forecast]:
    """A method that is fitted to the series without its season; one that never changes is foreseen as it is."""

    def foresee(series: Array, season: int, steps: int) -> Forecast:
        seasonal = _Season.of(series, season)
        plain = seasonal.without(series)
        if np.ptp(plain) == 0:
            return seasonal.again(naive(plain, 1, steps))
        return seasonal.again(fit(plain, steps))

    return foresee


def _theta(series: Array, steps: int) -> Forecast:
    module = _library("tsa.forecasting.theta")
    with _calm():
        fitted = module.ThetaModel(series, period=1, deseasonalize=False).fit()
        values = np.asarray(fitted.forecast(steps), dtype=np.float64)
    alpha, slope = float(fitted.params["alpha"]), float(fitted.params["b0"])
    # The method is a level that follows the series, moved on by half the slope (Hyndman and Billah, 2003).
    level, errors = series[0], []
    for place, value in enumerate(series[1:], 1):
        onward = slope / 2 * (1 - (1 - alpha) ** place) / alpha if alpha > 0 else slope / 2 * place
        errors.append(value - level - onward)
        level += alpha * (value - level)
    return _widened(values, _deviation(np.array(errors), 3), np.full(steps - 1, alpha))


def _smoothed(series: Array, steps: int, *, trend: bool) -> Forecast:
    module = _library("tsa.exponential_smoothing.ets")
    with _calm():
        model = module.ETSModel(series, error="add", trend="add" if trend else None, damped_trend=trend)
        fitted = model.fit(disp=False)
        values = np.asarray(fitted.forecast(steps), dtype=np.float64)
    lasting = np.full(steps - 1, float(fitted.smoothing_level))
    if trend:
        fading = float(fitted.damping_trend) ** np.arange(1, steps)
        lasting = lasting + float(fitted.smoothing_trend) * np.cumsum(fading)
    return _widened(values, _deviation(np.asarray(fitted.resid, dtype=np.float64), 5 if trend else 2), lasting)


def _widened(values: Array, deviation: float | None, lasting: Array) -> Forecast:
    """A forecast whose errors stay, step by step, with these shares in what comes behind (Hyndman and others, 2008)."""
    if deviation is None:
        return _normal(values, None)
    return _normal(values, deviation * np.sqrt(1 + np.concatenate([[0.0], np.cumsum(lasting**2)])))


def _level(series: Array, steps: int) -> Forecast:
    return _smoothed(series, steps, trend=False)


def _damped(series: Array, steps: int) -> Forecast:
    return _smoothed(series, steps, trend=True)


METHODS: tuple[Method, ...] = (
    Method("naive", "the last value again", naive),
    Method("seasonal_naive", "the value of the same season a year before", seasonal_naive),
    Method("drift", "the last value, moved on by the mean change", drift),
    Method("theta", "half the trend of the whole series, and a level that follows it", _adjusted(_theta), fitted=True),
    Method("smoothing", "exponential smoothing of the level", _adjusted(_level), fitted=True),
    Method(
        "damped_trend", "exponential smoothing of the level and of a trend that fades", _adjusted(_damped), fitted=True
    ),
)
"""Every method, the simplest first."""


def foresee(method: Method, series: Sequence[float] | Array, season: int, steps: int) -> Forecast:
    """The forecast of a method for the next steps.

    `season` is how many steps make a year (12 for months), 1 if there is none. Raises LibraryAbsentError if the method
    is fitted by a library that is not installed.
    """
    return method.foresee(np.asarray(series, dtype=np.float64), season, steps)
