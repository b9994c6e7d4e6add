"""A build: every metric by every grain and dimension, planned together, as one table of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import _

from revgauge.catalogue.buckets import Key
from revgauge.catalogue.evaluation import Evaluation, Request, Result
from revgauge.catalogue.measures import Measure, Unknown
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.published import NUMBER, SCHEMA, TEXT, Built
from revgauge.catalogue.registry import Metric
from revgauge.model.period import Grain, Period

MANY_VALUED = frozenset({"account_id", "campaign_id", "owner_id"})
"""Dimensions with as many values as there are rows of something: computed when asked for, not published."""

FIRST_DAYS: tuple[tuple[str, str], ...] = (
    ("subscription_periods", "valid_from"),
    ("opportunities", "created_at"),
    ("leads", "created_at"),
    ("contracts", "starts_on"),
    ("invoices", "issued_on"),
    ("tickets", "opened_at"),
)
"""Where the company's history begins: the earliest of these days."""

TO_DATE = "to date"
"""The mark of a period that is not over."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Scope:
    """What a build computes."""

    grains: tuple[Grain, ...] = ("month", "quarter", "year")
    dimensions: tuple[str, ...] | None = None
    """Dimensions to cut by; empty: all that a metric has, without those of many values."""
    first_day: date | None = None
    metrics: tuple[str, ...] | None = None


def first_day(evaluation: Evaluation) -> date | None:
    """The first day of the company's history, or None if nothing with a day was loaded."""
    warehouse = evaluation.context.warehouse
    loaded = [(entity, column) for entity, column in FIRST_DAYS if warehouse.loaded(entity)]
    if not loaded:
        return None
    found = [warehouse.entity(entity).aggregate(day=_[column].cast("date").min()) for entity, column in loaded]
    days = [day for (day,) in warehouse.pairs(ibis.union(*found)) if day is not None and day <= evaluation.context.now]
    return min(days, default=None)


def build(evaluation: Evaluation, scope: Scope, progress: Progress = lambda _: None) -> Built:
    """Compute every metric of the catalogue that needs no parameter and waits for no request, planned together."""
    catalogue, calendar = evaluation.catalogue, evaluation.context.calendar
    start = scope.first_day or first_day(evaluation) or evaluation.context.now
    spines = {grain: calendar.spine(start, evaluation.context.now, grain) for grain in scope.grains}
    names = scope.metrics or tuple(name for name, metric in catalogue.metrics.items() if not metric.on_request)
    requests: list[Request] = []
    not_computable: dict[str, str] = {}
    cuts: dict[str, tuple[str, ...]] = {}
    for name in names:
        metric = catalogue.metric(name)
        try:
            _, _, measure = evaluation.measure(Request(name, spines[scope.grains[0]]))
        except ParamError:
            continue
        if isinstance(measure, Unknown):
            not_computable[name] = measure.reason
        cuts[name] = _cuts(evaluation, metric, measure, scope)
    for by in [(), *dict.fromkeys((dimension,) for found in cuts.values() for dimension in found)]:
        wanted = [name for name, found in cuts.items() if not by or by[0] in found]
        requests += [Request(name, spine, by=by) for name in wanted for spine in spines.values()]
    progress(f"computing {len(cuts)} metrics by {', '.join(scope.grains)}")
    values = values_table(evaluation.answered(requests, statistics=False))  # statistics are not published
    progress("writing values")
    return Built(values, len(cuts), not_computable)


def _cuts(evaluation: Evaluation, metric: Metric, measure: Measure, scope: Scope) -> tuple[str, ...]:
    """The dimensions by which a metric is published: those asked for, else those of few values that a source fills."""
    dimensions = evaluation.dimensions(metric, measure)
    if scope.dimensions is not None:
        return tuple(name for name in dimensions if name in scope.dimensions)
    return tuple(name for name in dimensions if name not in MANY_VALUED and _filled(evaluation, measure, name))


def _filled(evaluation: Evaluation, measure: Measure, dimension: str) -> bool:
    """Whether a source fills a dimension for anything that a measure reads; otherwise every row is `unknown`."""
    known = [evaluation.planner.dimensions(leaf.facts).get(dimension) for leaf in measure.leaves()]
    fields = [found.field for found in known if found is not None]
    return not fields or any(not name or not evaluation.context.missing((name,)) for name in fields)


class _Texts:
    """The different texts of a column, by number."""

    def __init__(self) -> None:
        """Start without any."""
        self._numbers: dict[str, int] = {}

    def numbered(self, texts: Iterable[str]) -> npt.NDArray[np.int32]:
        """The numbers of some texts."""
        return np.array([self._numbers.setdefault(text, len(self._numbers)) for text in texts], dtype=np.int32)

    def column(self, numbers: npt.NDArray[np.int32]) -> pa.DictionaryArray:
        """The column in which these numbers stand for the texts."""
        return pa.DictionaryArray.from_arrays(numbers, pa.array(self._numbers, pa.string()))


class _Frame(NamedTuple):
    """What all results over the same periods and keys have in common."""

    periods: tuple[Period, ...]
    columns: dict[str, npt.NDArray[Any]]
    """A row for each period and key."""


class _Values:
    """The published values of many results, column by column."""

    def __init__(self) -> None:
        """Start without any."""
        self._texts = {field.name: _Texts() for field in SCHEMA if field.type == TEXT}
        self._frames: dict[tuple[int, tuple[Key, ...], tuple[str, ...]], _Frame] = {}
        self._parts: dict[int, dict[str, Any]] = {}

    def add(self, place: int, result: Result) -> None:
        """Take the values of a result: a row for each period and key."""
        codes = result.series.codes.ravel()
        above, below = result.numerator, result.denominator
        nothing = pa.nulls(codes.size, NUMBER)
        self._parts[place] = {
            **self._framed(result.request, tuple(result.keys)),
            "metric": np.repeat(self._texts["metric"].numbered([result.metric.name]), codes.size),
            "value": result.series.column(NUMBER),
            "reason": self._texts["reason"].numbered(result.reasons.texts)[codes],
            "numerator": above.column(NUMBER) if above is not None and below is not None else nothing,
            "denominator": below.column(NUMBER) if above is not None and below is not None else nothing,
            "definition_version": np.repeat(
                self._texts["definition_version"].numbered([result.metric.version]), codes.size
            ),
        }
        if result.series.marks:
            self._parts[place]["marks"] = self._marks(result)

    def _framed(self, request: Request, keys: tuple[Key, ...]) -> dict[str, npt.NDArray[Any]]:
        """The columns that follow from periods and keys alone, worked out once for all results that share them."""
        # To compare sixty periods with sixty others takes longer than to see that they are the same tuple.
        alike = (id(request.periods), keys, request.by)
        if alike not in self._frames:
            self._frames[alike] = _Frame(request.periods, self._columns(request, keys))
        return self._frames[alike].columns

    def _columns(self, request: Request, keys: tuple[Key, ...]) -> dict[str, npt.NDArray[Any]]:
        """The columns that say of which period and key a value is, and the marks of values that have no others."""
        periods = request.periods

        def texts(name: str, values: Iterable[str]) -> npt.NDArray[np.int32]:
            return self._texts[name].numbered(values)

        of_period = {
            "grain": texts("grain", [period.grain for period in periods]),
            "period": texts("period", [period.label for period in periods]),
            "period_start": np.array([period.start for period in periods], dtype="datetime64[D]"),
            "period_end": np.array([period.end for period in periods], dtype="datetime64[D]"),
            "dimension": texts("dimension", request.by[:1] or ("",)).repeat(len(periods)),
            "marks": texts("marks", [TO_DATE if period.partial else "" for period in periods]),
        }
        of_key = texts("dimension_value", [key[0] if key else "" for key in keys])
        columns = {name: values.repeat(len(keys)) for name, values in of_period.items()}
        return {**columns, "dimension_value": np.tile(of_key, len(periods))}

    def _marks(self, result: Result) -> npt.NDArray[np.int32]:
        """The marks of each value in words."""
        names = [TO_DATE, *result.series.marks]
        partial = np.array([period.partial for period in result.request.periods], dtype=bool)
        grids = [np.repeat(partial[:, np.newaxis], len(result.keys), axis=1), *result.series.marks.values()]
        sets = sum(grid.ravel().astype(np.int64) << place for place, grid in enumerate(grids))
        found, places = np.unique(sets, return_inverse=True)
        words = [", ".join(name for place, name in enumerate(names) if bits >> place & 1) for bits in found.tolist()]
        return self._texts["marks"].numbered(words)[places]

    def table(self) -> pa.Table:
        """All values as one table of the published form, in the order of their places."""
        ordered = [self._parts[place] for place in sorted(self._parts)]
        if not ordered:
            return SCHEMA.empty_table()
        columns: dict[str, pa.Array] = {}
        for field in SCHEMA:
            parts = [part[field.name] for part in ordered]
            if field.name in self._texts:
                columns[field.name] = self._texts[field.name].column(np.concatenate(parts))
            else:
                columns[field.name] = pa.concat_arrays([pa.array(part, field.type) for part in parts])
        return pa.table(columns, schema=SCHEMA)


def values_table(results: Iterable[tuple[int, Result]]) -> pa.Table:
    """All values as one table of the published form, in the order of the places that come with the results."""
    values = _Values()
    for place, result in results:
        values.add(place, result)
    return values.table()
