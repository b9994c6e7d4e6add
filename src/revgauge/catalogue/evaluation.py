"""Evaluation: many metrics, parameters, grains and cuts at once, each number with everything that belongs to it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from revgauge.catalogue.buckets import Key
from revgauge.catalogue.context import Context
from revgauge.catalogue.exact import Numbers
from revgauge.catalogue.facts import Scope
from revgauge.catalogue.measures import (
    Arithmetic,
    At,
    Distinct,
    Explained,
    History,
    Leaf,
    Measure,
    Named,
    Noted,
    Spread,
    Total,
    Uncut,
    Unknown,
    cut_leaves,
)
from revgauge.catalogue.params import MetricName, read_params
from revgauge.catalogue.planner import Planner
from revgauge.catalogue.registry import Catalogue, Metric, UnknownName
from revgauge.catalogue.resolver import NotComputable, Resolver
from revgauge.catalogue.series import Reasons, Series
from revgauge.catalogue.statistics import few, mean_interval, wilson
from revgauge.catalogue.tasks import Answers, Cut, Purpose
from revgauge.catalogue.values_of import ValuesOf
from revgauge.catalogue.work import Run, Work, looked_at
from revgauge.model.period import Grain, Period


@dataclass(frozen=True)
class Request:
    """One metric, with parameters, for periods of one grain and one cut."""

    metric: str
    periods: tuple[Period, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    """Dimensions by which the value is split."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Values to which the rows are limited."""


@dataclass(frozen=True)
class Value:
    """One number and what belongs to it."""

    metric: str
    period: Period
    dimensions: Mapping[str, str]
    value: Decimal | None
    reason: str = ""
    """Why there is no value; empty if there is one."""
    marks: tuple[str, ...] = ()
    """`to date`, `still ripening`, `few`: how far the value can be trusted."""
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    interval: tuple[Decimal, Decimal] | None = None
    """The 95 % interval: Wilson's for a share of counts, Student's for a mean."""
    statistics: Mapping[str, Decimal | None] = field(default_factory=dict)
    """For durations and other spreads: mean, median, p90 and the number of cases."""
    factors: Mapping[str, Decimal | None] = field(default_factory=dict)
    """What the value is made of, where its definition names it."""


@dataclass
class Result:
    """All values of a request, as grids of periods by keys of the cut."""

    request: Request
    metric: Metric
    params: Mapping[str, Any]
    keys: list[Key]
    series: Series
    reasons: Reasons
    numerator: Series | None = None
    denominator: Series | None = None
    counted: bool = False
    statistics: dict[str, Any] = field(default_factory=dict)
    factors: dict[str, Series] = field(default_factory=dict)

    def values(self) -> Iterator[Value]:
        """One value for each period and key, in order."""
        names = (*self.request.by,)
        for row, period in enumerate(self.request.periods):
            for column, key in enumerate(self.keys):
                yield self._value(row, column, period, dict(self.request.only) | dict(zip(names, key, strict=True)))

    def _value(self, row: int, column: int, period: Period, dimensions: Mapping[str, str]) -> Value:
        code = int(self.series.codes[row, column])
        marks = ["to date"] if period.partial else []
        marks += [mark for mark, grid in self.series.marks.items() if grid[row, column]]
        numerator = denominator = None
        interval = None
        if self.numerator is not None and self.denominator is not None:
            if not self.numerator.codes[row, column]:
                numerator = self.numerator.decimals[row, column]
            if not self.denominator.codes[row, column]:
                denominator = self.denominator.decimals[row, column]
            if self.counted and numerator is not None and denominator is not None and not code:
                interval = wilson(numerator, denominator)
                marks += few(denominator)
        found = {name: grid[row][column] for name, grid in self.statistics.items()}
        if found and (cases := found.get("cases")) is not None and not code:
            marks += few(cases)
            interval = mean_interval(found.get("mean"), found.pop("deviation", None), cases)
        found.pop("deviation", None)
        return Value(
            self.metric.name,
            period,
            dimensions,
            None if code else self.series.decimals[row, column],
            self.reasons.text(code),
            tuple(marks),
            numerator,
            denominator,
            interval,
            found,
            {name: part.at(row, column) for name, part in self.factors.items()},
        )


class Evaluation:
    """One look at the warehouse: what is computed for one request serves the others."""

    def __init__(self, catalogue: Catalogue, context: Context, resolver: Resolver | None = None) -> None:
        """Evaluate metrics of the catalogue over the warehouse of the context; a resolver brings tables made before."""
        self.catalogue = catalogue
        self.context = context
        self.resolver = resolver or Resolver(catalogue, context)
        if resolver is None:
            self.resolver.values_of = ValuesOf(catalogue, self._within)
        self.planner = Planner(self.resolver)
        self.reasons = Reasons()
        self._works: dict[tuple[Cut, tuple[Key, ...], bool], Work] = {}
        self._runs: dict[tuple[int, bool], tuple[tuple[Period, ...], Run]] = {}

    def measure(self, request: Request) -> tuple[Metric, dict[str, Any], Measure]:
        """The metric of a request, its parameters in full, and its measure.

        Raises UnknownName and ParamError with what was probably meant.
        """
        metric = self.catalogue.metric(request.metric)
        known = self.catalogue.params(metric)
        settings = self.context.settings.defaults.get(metric.name, {})
        given = read_params(metric.name, known, {**settings, **request.params})
        names = {name: value for name, value in given.items() if isinstance(value, MetricName)}
        given |= {name: MetricName(self.catalogue.metric(value).name) for name, value in names.items()}
        split = (*request.by, *request.only)
        scope = Scope(periods=request.periods, split=frozenset(split))
        measure = self.resolver.measure(metric, given, scope)
        self.check_dimensions(metric, measure, split)
        defaults = {name: param.default for name, param in known.items() if not param.required}
        return metric, {**defaults, **given}, measure

    def dimensions(self, metric: Metric, measure: Measure) -> tuple[str, ...]:
        """By what a metric can be cut: what all the facts that it reads share."""
        shared: list[str] | None = None
        for leaf, uncut in cut_leaves(measure):
            if any(part.dimensions is None for part in uncut):
                continue
            ignored = [name for part in uncut for name in part.dimensions or ()]
            names = [*self.planner.dimensions(leaf.facts), *ignored]
            shared = names if shared is None else [name for name in shared if name in names]
        return tuple(name for name in shared or () if name not in metric.excluded)

    def check_dimensions(self, metric: Metric, measure: Measure, names: Sequence[str]) -> None:
        """Raise UnknownName if the metric cannot be cut by one of the names."""
        if isinstance(measure, Unknown):
            return
        allowed = self.dimensions(metric, measure)
        for name in names:
            if name not in allowed:
                raise UnknownName(
                    f"{metric.name} cannot be cut by {name}; it can be by {', '.join(allowed) or 'nothing'}"
                )

    def results(self, requests: Sequence[Request], *, statistics: bool = True) -> list[Result]:
        """Every request answered, planned together; without `statistics` a spread has its value and nothing beside."""
        found = dict(self.answered(requests, statistics=statistics))
        return [found[place] for place in range(len(requests))]

    def answered(self, requests: Sequence[Request], *, statistics: bool = True) -> Iterator[tuple[int, Result]]:
        """The same one by one, each with its place among the requests: while one is worked out others are computed."""
        with _uncollected():
            yield from self._answered(requests, statistics=statistics)

    def _answered(self, requests: Sequence[Request], *, statistics: bool) -> Iterator[tuple[int, Result]]:
        prepared = [self.measure(request) for request in requests]
        waiting: dict[int, frozenset[tuple[int, Cut]]] = {}
        for place, (request, (metric, _, measure)) in enumerate(zip(requests, prepared, strict=True)):
            self._plan(measure, self._begun(request, metric), self._cut(request), Purpose(metric.name, statistics))
            waiting[place] = frozenset((id(leaf), cut) for leaf, cut in self._leaves(request, metric, measure))

        def ready() -> Iterator[tuple[int, Result]]:
            pending = self.planner.pending
            for place in [place for place, needed in waiting.items() if pending.isdisjoint(needed)]:
                del waiting[place]
                metric, params, measure = prepared[place]
                yield place, self._result(requests[place], metric, params, measure, statistics=statistics)

        for _ in self.planner.run():
            yield from ready()
        yield from ready()

    def _leaves(self, request: Request, metric: Metric, measure: Measure) -> Iterator[tuple[Leaf, Cut]]:
        """The leaves of a measure, each with what it is cut by; none where no period has begun."""
        cut = self._cut(request)
        for leaf, uncut in cut_leaves(measure) if self._begun(request, metric) else ():
            yield leaf, cut.without(*uncut)

    def _within(
        self, metric: str, periods: tuple[Period, ...], by: tuple[str, ...], only: Mapping[str, str]
    ) -> Iterator[Value]:
        """Values that a table of this evaluation is made of; none have a period before them that is no calendar's."""
        inner = Evaluation(self.catalogue, self.context, self.resolver)
        request = Request(metric, periods, {}, by, only)
        calendar = self.context.calendar
        odd = any(calendar.containing(period.start, period.grain) != period for period in periods)
        if odd and _looks_elsewhere(inner.measure(request)[2]):
            reason = f"{metric} compares periods of the calendar, and this is none"
            return iter([Value(metric, period, only, None, reason) for period in periods])
        (result,) = inner.results([request])
        return result.values()

    def _cut(self, request: Request) -> Cut:
        return Cut(request.by, tuple(sorted(request.only.items())))

    def _plan(self, measure: Measure, periods: Sequence[Period], cut: Cut, purpose: Purpose) -> None:
        if isinstance(measure, Leaf):
            self.planner.want(measure, cut, periods, purpose)
        elif isinstance(measure, At):
            self._plan(measure.measure, [measure.when(period) for period in periods], cut, purpose)
        elif isinstance(measure, History):
            for part in measure.of:
                self._plan(part, looked_at(measure, periods), cut, purpose)
        elif isinstance(measure, Uncut):
            self._plan(measure.measure, periods, cut.without(measure), purpose)
        else:
            for part in measure.parts():
                self._plan(part, periods, cut, purpose)

    def _result(
        self, request: Request, metric: Metric, params: Mapping[str, Any], measure: Measure, *, statistics: bool
    ) -> Result:
        cut = self._cut(request)
        answers: Answers = {}
        begun = self._begun(request, metric)
        for leaf, mine in self._leaves(request, metric, measure):
            answers[id(leaf), mine] = self.planner.answer(leaf, mine)
        keys = sorted({key for (_, mine), answer in answers.items() if mine == cut for key in answer.keys})
        if not request.by:
            keys = [()]
        work = self._works.setdefault((cut, tuple(keys), statistics), Work({}, self.reasons, cut, keys))
        work.answers.update(answers)
        series = self._framed(work.series(measure, begun), request, metric)
        result = Result(request, metric, params, keys, series, self.reasons)
        result.factors = {
            name: self._framed(work.series(factor, begun), request, metric) for name, factor in _factors(measure)
        }
        top = _unwrapped(measure)
        if isinstance(top, Arithmetic) and top.operation == "/":
            result.numerator = self._framed(work.series(top.left, begun), request, metric)
            result.denominator = self._framed(work.series(top.right, begun), request, metric)
            result.counted = _counts(top.left) and _counts(top.right)
        if isinstance(top, Spread) and begun:
            found = work.statistics(top, begun)
            missing = [None] * len(keys)
            result.statistics = {name: _rows_for(grid, request, metric, missing) for name, grid in found.items()}
        return result

    def _begun(self, request: Request, metric: Metric) -> Run:
        """The periods of a request that can have a value: one and the same run for the same periods."""
        # To compare sixty periods with sixty others takes longer than to see that they are the same tuple.
        key = (id(request.periods), metric.looks_ahead)
        if key not in self._runs:
            run = Run(period for period in request.periods if period.begun or metric.looks_ahead)
            alike = next((known for _, known in self._runs.values() if known == run), run)
            self._runs[key] = (request.periods, alike)
        return self._runs[key][1]

    def _framed(self, series: Series, request: Request, metric: Metric) -> Series:
        """The series with a null row for each period that has not begun."""
        if len(series.codes) == len(request.periods):
            return series
        code = self.reasons.code(f"the period has not begun on {self.context.now}")
        begun = np.array([period.begun or metric.looks_ahead for period in request.periods])
        if not begun.any():
            return Series.null((len(begun), series.codes.shape[1]), code)
        # A row of any other period stands in for one that has not begun.
        framed = series[np.maximum(np.cumsum(begun) - 1, 0)]
        missing = ~begun[:, np.newaxis]
        marks = {mark: grid & ~missing for mark, grid in framed.marks.items()}
        return Series(framed.numbers, np.where(missing, np.int32(code), framed.codes), marks)


def _rows_for(grid: Numbers, request: Request, metric: Metric, empty: list[Any]) -> list[Any]:
    rows = iter(grid)
    return [next(rows) if period.begun or metric.looks_ahead else empty for period in request.periods]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cyclic garbage, which would walk a growing plan again and again and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _unwrapped(measure: Measure) -> Measure:
    return _unwrapped(measure.measure) if isinstance(measure, Noted | Named | Explained) else measure


def _factors(measure: Measure) -> tuple[tuple[str, Measure], ...]:
    """The factors that a definition names, whatever is wrapped around it."""
    if isinstance(measure, Explained):
        return measure.factors
    return _factors(measure.measure) if isinstance(measure, Noted | Named) else ()


def _looks_elsewhere(measure: Measure) -> bool:
    """Whether a measure reads other periods than the one that is asked for."""
    return isinstance(measure, At | History) or any(_looks_elsewhere(part) for part in measure.parts())


def _counts(measure: Measure) -> bool:
    """Whether a measure counts cases, so that a share of two such is one of cases."""
    match _unwrapped(measure):
        case Total(value=None, currency=None) | Distinct():
            return True
        case Total(value=value):
            return isinstance(value, str) and value in {"customers", "lost"}
        case _:
            return False


__all__ = ["Evaluation", "Grain", "NotComputable", "Request", "Result", "Value"]
