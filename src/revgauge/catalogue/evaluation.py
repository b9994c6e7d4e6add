"""Evaluation: many metrics, parameters, grains and cuts at once, each number with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from revgauge.catalogue.buckets import Key
from revgauge.catalogue.context import Context
from revgauge.catalogue.engine import to_decimal
from revgauge.catalogue.facts import Scope
from revgauge.catalogue.measures import (
    Arithmetic,
    At,
    Constant,
    Curve,
    Distinct,
    Explained,
    History,
    Leaf,
    Measure,
    Named,
    Noted,
    OfPeriod,
    Spread,
    Total,
    Uncut,
    Unknown,
    Worked,
    cut_leaves,
)
from revgauge.catalogue.params import MetricName, read_params
from revgauge.catalogue.planner import Planner
from revgauge.catalogue.registry import Catalogue, Metric, UnknownName
from revgauge.catalogue.resolver import NotComputable, Resolver
from revgauge.catalogue.series import PRECISION, ZERO, Reasons, Series, apply, combine, over_runs
from revgauge.catalogue.statistics import few, mean_interval, wilson
from revgauge.catalogue.tasks import Answers, Cut
from revgauge.catalogue.values_of import ValuesOf
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
                numerator = self.numerator.numbers[row, column]
            if not self.denominator.codes[row, column]:
                denominator = self.denominator.numbers[row, column]
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
            None if code else self.series.numbers[row, column],
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
        self._works: dict[tuple[Cut, tuple[Key, ...]], Work] = {}

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

    def results(self, requests: Sequence[Request]) -> list[Result]:
        """Every request answered, planned together."""
        prepared = [self.measure(request) for request in requests]
        for request, (metric, _, measure) in zip(requests, prepared, strict=True):
            periods = [period for period in request.periods if period.begun or metric.looks_ahead]
            self._plan(measure, periods, self._cut(request), metric.name)
        self.planner.run()
        return [
            self._result(request, metric, params, measure)
            for request, (metric, params, measure) in zip(requests, prepared, strict=True)
        ]

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

    def _plan(self, measure: Measure, periods: Sequence[Period], cut: Cut, metric: str) -> None:
        if isinstance(measure, Leaf):
            self.planner.want(measure, cut, periods, metric)
        elif isinstance(measure, At):
            self._plan(measure.measure, [measure.when(period) for period in periods], cut, metric)
        elif isinstance(measure, History):
            for part in measure.of:
                self._plan(part, _runs(measure, periods), cut, metric)
        elif isinstance(measure, Uncut):
            self._plan(measure.measure, periods, cut.without(measure), metric)
        else:
            for part in measure.parts():
                self._plan(part, periods, cut, metric)

    def _result(self, request: Request, metric: Metric, params: Mapping[str, Any], measure: Measure) -> Result:
        cut = self._cut(request)
        answers: Answers = {}
        for leaf, uncut in cut_leaves(measure) if _begun(request, metric) else ():
            mine = cut.without(*uncut)
            answers[id(leaf), mine] = self.planner.answer(leaf, mine)
        keys = sorted({key for (_, mine), answer in answers.items() if mine == cut for key in answer.keys})
        if not request.by:
            keys = [()]
        begun = [period for period in request.periods if period.begun or metric.looks_ahead]
        work = self._works.setdefault((cut, tuple(keys)), Work({}, self.reasons, cut, keys))
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
            missing = [[None] * len(keys)]
            result.statistics = {name: _rows_for(grid, request, metric, missing[0]) for name, grid in found.items()}
        return result

    def _framed(self, series: Series, request: Request, metric: Metric) -> Series:
        """The series with a null row for each period that has not begun."""
        if len(series.codes) == len(request.periods):
            return series
        code = self.reasons.code(f"the period has not begun on {self.context.now}")
        shape = (len(request.periods), series.codes.shape[1])
        framed = Series.null(shape, code)
        begun = [row for row, period in enumerate(request.periods) if period.begun or metric.looks_ahead]
        framed.numbers[begun] = series.numbers
        framed.codes[begun] = series.codes
        for mark, grid in series.marks.items():
            framed.marks[mark] = np.zeros(shape, dtype=bool)
            framed.marks[mark][begun] = grid
        return framed


def _begun(request: Request, metric: Metric) -> bool:
    return metric.looks_ahead or any(period.begun for period in request.periods)


def _rows_for(grid: list[list[Any]], request: Request, metric: Metric, empty: list[Any]) -> list[list[Any]]:
    rows = iter(grid)
    return [next(rows) if period.begun or metric.looks_ahead else empty for period in request.periods]


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


def _runs(history: History, periods: Sequence[Period]) -> list[Period]:
    """Every period that a history looks at, once and in order."""
    return sorted({one for period in periods for one in history.periods(period)})


def _counts(measure: Measure) -> bool:
    """Whether a measure counts cases, so that a share of two such is one of cases."""
    match _unwrapped(measure):
        case Total(value=None, currency=None) | Distinct():
            return True
        case Total(value=value):
            return isinstance(value, str) and value in {"customers", "lost"}
        case _:
            return False


class Work:
    """Works measures out for the keys of one cut from what was found for their leaves."""

    def __init__(self, answers: Answers, reasons: Reasons, cut: Cut, keys: list[Key]) -> None:
        """Take the answers by the identity of their leaf and the cut."""
        self.answers = answers
        self.reasons = reasons
        self.cut = cut
        self.keys = keys
        self._known: dict[tuple[int, tuple[Period, ...]], Series] = {}
        self._wider: dict[Cut, Work] = {}

    def series(self, measure: Measure, periods: Sequence[Period]) -> Series:
        """The values of a measure in the periods."""
        if not periods:
            return Series.full((0, len(self.keys)), ZERO)
        key = (id(measure), tuple(periods))
        if key not in self._known:
            self._known[key] = self._series(measure, periods)
        return self._known[key]

    def _series(self, measure: Measure, periods: Sequence[Period]) -> Series:  # noqa: C901, PLR0911, PLR0912 - a kind each
        shape = (len(periods), len(self.keys))
        match measure:
            case Constant(value):
                return Series.full(shape, value)
            case Unknown(reason):
                return Series.null(shape, self.reasons.code(reason))
            case Arithmetic(operation, left, right, emptiness):
                code = self.reasons.code(emptiness or "there is nothing to divide by: the denominator is not above 0")
                return combine(operation, self.series(left, periods), self.series(right, periods), code)
            case Named(_, inner) | Explained(inner):
                return self.series(inner, periods)
            case At(inner, when):
                return self.series(inner, [when(period) for period in periods])
            case Uncut(inner):
                return self._uncut(measure, inner, periods)
            case History():
                return self._history(measure, periods)
            case OfPeriod():
                return self._of_periods(measure, periods, shape)
            case Worked(function, of, emptiness):
                return apply(function, [self.series(part, periods) for part in of], self.reasons.code(emptiness))
            case Noted(inner, mark, share, limit):
                return self._noted(self.series(inner, periods), mark, share, limit, periods)
            case Curve():
                return self._curve(measure, periods)
            case Spread():
                return self._spread(measure, periods)
            case Leaf():
                return self._leaf(measure, periods)
        raise TypeError(f"{type(measure).__name__} is no measure")

    def _noted(self, marked: Series, mark: str, share: Measure, limit: Decimal, periods: Sequence[Period]) -> Series:
        if any((id(leaf), self.cut.without(*uncut)) not in self.answers for leaf, uncut in cut_leaves(share)):
            return marked  # only the value was asked for, as by a listing of rows
        part = self.series(share, periods)
        return Series(marked.numbers, marked.codes, {**marked.marks, mark: (part.codes == 0) & (part.numbers >= limit)})

    def _uncut(self, measure: Uncut, inner: Measure, periods: Sequence[Period]) -> Series:
        """The values for the keys without the dimensions that do not matter, each given to all keys that share it."""
        cut = self.cut.without(measure)
        kept = [place for place, name in enumerate(self.cut.dimensions) if name in cut.dimensions]
        shared = [tuple(key[place] for place in kept) for key in self.keys]
        keys = sorted(set(shared))
        if cut not in self._wider:
            self._wider[cut] = Work(self.answers, self.reasons, cut, keys)
        found = self._wider[cut].series(inner, periods)
        columns = [keys.index(key) for key in shared]
        marks = {mark: grid[:, columns] for mark, grid in found.marks.items()}
        return Series(found.numbers[:, columns], found.codes[:, columns], marks)

    def _history(self, measure: History, periods: Sequence[Period]) -> Series:
        every = _runs(measure, periods)
        place = {period: row for row, period in enumerate(every)}
        parts = [self.series(part, every) for part in measure.of]
        runs = [[place[one] for one in measure.periods(period)] for period in periods]
        return over_runs(measure.function, parts, runs, len(self.keys), self.reasons.code(measure.emptiness))

    def _of_periods(self, measure: OfPeriod, periods: Sequence[Period], shape: tuple[int, int]) -> Series:
        series = Series.full(shape, ZERO)
        for row, period in enumerate(periods):
            found = measure.number(period)
            if found is None:
                series.codes[row] = self.reasons.code(measure.emptiness)
            else:
                series.numbers[row] = found
        return series

    def _places(self, keys: list[Key]) -> tuple[list[int], list[int]]:
        where = {key: place for place, key in enumerate(self.keys)}
        both = [(place, where[key]) for place, key in enumerate(keys) if key in where]
        return [there for there, _ in both], [here for _, here in both]

    def _leaf(self, leaf: Leaf, periods: Sequence[Period]) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        series = Series.full(shape, ZERO)
        there, here = self._places(answer.keys)
        spans = [leaf.days(period) for period in periods]
        found = np.stack([answer.numbers[days] for days in spans])[:, there]
        if isinstance(leaf, Distinct):  # counts come as they are, and none where a span has no row
            found = np.array([[Decimal(number or 0) for number in row] for row in found], dtype=object)
        series.numbers[:, here] = found
        if answer.gaps and isinstance(leaf, Total):
            gone = np.stack([answer.gaps[days] for days in spans])[:, there].astype(bool)
            series.codes[:, here] = np.where(gone, self.reasons.code(leaf.gap_reason), 0)
        return series

    def statistics(self, leaf: Spread, periods: Sequence[Period]) -> dict[str, list[list[Any]]]:
        """Mean, median, p90, deviation and number of cases of a spread, for each period and key."""
        answer = self.answers[id(leaf), self.cut]
        there, here = self._places(answer.keys)
        names = ("mean", "median", "p90", "deviation", "cases")
        found: dict[str, list[list[Any]]] = {name: [] for name in names}
        for period in periods:
            days = leaf.days(period)
            rows: dict[str, list[Any]] = {name: [None] * len(self.keys) for name in names}
            for place, column in zip(there, here, strict=True):
                cases = answer.extras["cases"][days][place] if answer.extras else None
                rows["cases"][column] = Decimal(cases or 0)
                if not cases:
                    continue
                with localcontext(prec=PRECISION):
                    rows["mean"][column] = to_decimal(answer.extras["total"][days][place]) / Decimal(cases)
                for name in ("median", "p90", "deviation"):
                    number = answer.extras[name][days][place]
                    rows[name][column] = None if number is None or number != number else to_decimal(number)  # noqa: PLR0124
            for name in names:
                found[name].append(rows[name])
        return found

    def _spread(self, leaf: Spread, periods: Sequence[Period]) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        series = Series.null(shape, self.reasons.code("no case ended in the period"))
        grid = self.statistics(leaf, periods)[leaf.statistic]
        for row in range(shape[0]):
            for column in range(shape[1]):
                if grid[row][column] is not None:
                    series.numbers[row, column], series.codes[row, column] = grid[row][column], 0
        if "gaps" in answer.extras:
            there, here = self._places(answer.keys)
            code = self.reasons.code(leaf.gap_reason)
            for row, period in enumerate(periods):
                for place, column in zip(there, here, strict=True):
                    if answer.extras["gaps"][leaf.days(period)][place]:
                        series.codes[row, column] = code
        return series

    def _curve(self, leaf: Curve, periods: Sequence[Period]) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        series = Series.null(shape, self.reasons.code(leaf.emptiness))
        for row, period in enumerate(periods):
            for column, key in enumerate(self.keys):
                columns = answer.parts[leaf.days(period)].get(key)
                number = None if columns is None else leaf.function(period, *columns)
                if number is not None:
                    series.numbers[row, column], series.codes[row, column] = number, 0
        return series


__all__ = ["Evaluation", "Grain", "NotComputable", "Request", "Result", "Value"]
