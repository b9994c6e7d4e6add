"""Forecasts of a metric: its own past, tried on several methods, and what the best of them says of the time to come.

Every method is tried at earlier times of the series itself, so that the answer says which of them would have been best
for this company, by how much, and when none of them is better than to say that nothing will change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal, get_args

import numpy as np

from revgauge.catalogue.build import first_day
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.registry import Metric
from revgauge.methods.backtest import Errors, Judged, back_test, errors, headline, origins, scale_of, shortest_series
from revgauge.methods.forecasting import METHODS, Forecast, Method, available, foresee
from revgauge.model.period import Calendar, Period
from revgauge.workspace import Workspace

Step = Literal["day", "week", "month", "quarter", "year"]
SEASONS: dict[Step, int] = {"day": 7, "week": 52, "month": 12, "quarter": 4, "year": 1}
"""After how many periods a season comes again: a week for days, a year for the others."""

LONGEST_HORIZON = 36
MOST_SERIES = 20
"""How many values of a dimension are forecast: the largest ones."""

NAIVE = "naive"
PREDICTION = "predicted_mrr"
"""The metric that foresees MRR by itself, one month ahead."""


class HorizonError(ValueError):
    """So many periods cannot be foreseen."""


@dataclass(frozen=True)
class Outlook:
    """One series, how the methods would have done on it, and what they say of the time to come."""

    dimensions: Mapping[str, str]
    history: tuple[Value, ...] = ()
    refused: str = ""
    """Why there is no forecast, in words; empty if there is one."""
    judged: tuple[Judged, ...] = ()
    """The methods, the best first."""
    forecasts: Mapping[str, Forecast] = field(default_factory=dict)
    """What each method says, by its name."""
    ahead: tuple[Period, ...] = ()
    prediction: Errors | None = None
    """For MRR: how far the metric `predicted_mrr` was off one month ahead, at the same origins."""

    @property
    def best(self) -> Judged | None:
        """The method with the smallest error over all steps."""
        return self.judged[0] if self.judged else None

    @property
    def naive(self) -> Judged | None:
        """The method that all others are held against."""
        return next((one for one in self.judged if one.method.name == NAIVE), None)

    @property
    def beats_naive(self) -> bool:
        """Whether the best method is another than naive, and better."""
        if self.best is None or self.naive is None:
            return False
        return headline(self.best.overall) < headline(self.naive.overall)


@dataclass(frozen=True)
class Outlooks:
    """The forecasts of a metric."""

    metric: Metric
    params: Mapping[str, Any]
    by: tuple[str, ...]
    grain: Step
    horizon: int
    season: int
    series: tuple[Outlook, ...]
    absent: tuple[Method, ...]
    """Methods that were left out, since the library that fits them is not installed."""
    left_out: int
    """Values of the dimensions that were left out, since they are many and small."""


def forecast(
    project: Workspace,
    metric: str,
    *,
    grain: Step = "month",
    horizon: int = 6,
    by: Sequence[str] = (),
    only: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Outlooks:
    """Forecast a metric from its complete periods, for each value of the dimensions by which it is split.

    Raises HorizonError if so many periods cannot be foreseen, UnknownName and ParamError as every question does.
    """
    if grain not in get_args(Step) or not 1 <= horizon <= LONGEST_HORIZON:
        raise HorizonError(f"from 1 to {LONGEST_HORIZON} periods can be foreseen, not {horizon}")
    methods = [method for method in METHODS if not method.fitted or available()]
    with project.evaluation() as evaluation:
        name = project.catalogue.metric(metric).name
        past = _past(evaluation, project.settings.build.first_day, grain)
        request = Request(name, past, params or {}, tuple(by), only or {})
        (result,) = evaluation.results([request])
        cells: dict[tuple[str, ...], list[Value]] = {}
        for value in result.values():
            cells.setdefault(tuple(value.dimensions[one] for one in by), []).append(value)
        ordered = sorted(cells.values(), key=_by_size)
        season = SEASONS[grain]
        calendar = evaluation.context.calendar
        outlooks = [_outlook(values, methods, calendar, season, horizon) for values in ordered[:MOST_SERIES]]
        if name == "mrr" and grain == "month" and not request.params:
            outlooks = [_with_prediction(one, evaluation, season, horizon) for one in outlooks]
    return Outlooks(
        result.metric,
        result.params,
        tuple(by),
        grain,
        horizon,
        season,
        tuple(outlooks),
        tuple(method for method in METHODS if method not in methods),
        max(len(ordered) - MOST_SERIES, 0),
    )


def _past(evaluation: Evaluation, first: date | None, grain: Step) -> tuple[Period, ...]:
    """Every period that is over, from the first day of the company's history."""
    now = evaluation.context.now
    start = first or first_day(evaluation) or now
    periods = evaluation.context.calendar.spine(start, now, grain)
    # The first period is left out where the history begins inside it: a part of one is no value of the series.
    return tuple(period for period in periods if period.complete and period.start >= start)


def _by_size(values: Sequence[Value]) -> tuple[float, str]:
    last = values[-1].value
    return (-abs(float(last)) if last is not None else 0.0, str(dict(values[-1].dimensions)))


def _usable(values: Sequence[Value]) -> list[Value]:
    """The run of known values up to the last one, from the first that is not 0."""
    unknown = max((place for place, value in enumerate(values) if value.value is None), default=-1)
    known = list(values[unknown + 1 :])
    begun = next((place for place, value in enumerate(known) if value.value), len(known))
    return known[begun:]


def _outlook(
    values: Sequence[Value], methods: Sequence[Method], calendar: Calendar, season: int, steps: int
) -> Outlook:
    """One series tried on all methods."""
    dimensions = values[-1].dimensions
    history = _usable(values)
    needed = shortest_series(season, steps)
    if len(history) < needed:
        return Outlook(dimensions, tuple(history), _too_short(values, history, needed, steps))
    numbers = [float(value.value or 0) for value in history]
    judged = sorted(back_test(methods, numbers, season, steps), key=lambda one: headline(one.overall))
    last = history[-1].period
    return Outlook(
        dimensions,
        tuple(history),
        judged=tuple(judged),
        forecasts={one.method.name: foresee(one.method, numbers, season, steps) for one in judged},
        ahead=tuple(calendar.shift(last, step + 1) for step in range(steps)),
    )


def _too_short(values: Sequence[Value], history: Sequence[Value], needed: int, steps: int) -> str:
    """What is lacking for a forecast, in words."""
    grain = values[-1].period.grain
    if values[-1].value is None:
        return f"the value of {values[-1].period.label} is not known: {values[-1].reason}"
    begins = f" since {history[0].period.label}" if history else ""
    return (
        f"the series has {len(history)} complete {grain}{'' if len(history) == 1 else 's'}{begins} with a value, and "
        f"{needed} are needed to try methods {steps} ahead: fewer say nothing of which one to trust"
    )


def _with_prediction(outlook: Outlook, evaluation: Evaluation, season: int, steps: int) -> Outlook:
    """The outlook of MRR with how `predicted_mrr` would have done one month ahead."""
    if outlook.refused:
        return outlook
    places = origins(len(outlook.history), season, steps)
    targets = [outlook.history[place] for place in places]
    metric, _, measure = evaluation.measure(Request(PREDICTION, (targets[0].period,)))
    if any(name not in evaluation.dimensions(metric, measure) for name in outlook.dimensions):
        return outlook
    request = Request(PREDICTION, tuple(one.period for one in targets), only=outlook.dimensions)
    (result,) = evaluation.results([request])
    numbers = [float(value.value or 0) for value in outlook.history]
    told = [
        (float(target.value), float(said.value), scale_of(np.array(numbers[:place]), season))
        for place, target, said in zip(places, targets, result.values(), strict=True)
        if target.value is not None and said.value is not None
    ]
    if len(told) < len(targets):
        return outlook
    actuals, foreseen, scales = zip(*told, strict=True)
    return replace(outlook, prediction=errors(actuals, foreseen, scales))
