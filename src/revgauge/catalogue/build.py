"""A build: every metric by every grain and dimension, planned together, as one table of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from ibis import _

from revgauge.catalogue.buckets import Key
from revgauge.catalogue.evaluation import Evaluation, Request, Result
from revgauge.catalogue.measures import Measure, Unknown
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.published import NUMBER, SCHEMA, Built
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


@dataclass(frozen=True)
class _Frame:
    """What all results over the same periods and keys have in common: a row for each period and key."""

    periods: tuple[Period, ...]
    keys: tuple[Key, ...]
    by: tuple[str, ...]

    @cached_property
    def columns(self) -> dict[str, pa.Array]:
        """The columns that say of which period and key a value is, and the marks of values that have no others."""
        partial = [TO_DATE if period.partial else "" for period in self.periods]
        column = pa.array(np.tile(np.arange(len(self.keys)), len(self.periods)))
        return {
            "grain": self._of_period([period.grain for period in self.periods], pa.string()),
            "period": self._of_period([period.label for period in self.periods], pa.string()),
            "period_start": self._of_period([period.start for period in self.periods], pa.date32()),
            "period_end": self._of_period([period.end for period in self.periods], pa.date32()),
            "dimension": self.same(self.by[0] if self.by else ""),
            "dimension_value": pa.array([key[0] if key else "" for key in self.keys], pa.string()).take(column),
            "marks": self._of_period(partial, pa.string()),
        }

    def _of_period(self, values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(self.periods)), len(self.keys))))

    def same(self, text: str) -> pa.Array:
        """The same text in every row."""
        return pa.repeat(pa.scalar(text, pa.string()), len(self.periods) * len(self.keys))


def _marks(result: Result) -> pa.Array:
    """The marks of each value in words."""
    names = [TO_DATE, *result.series.marks]
    partial = np.array([period.partial for period in result.request.periods], dtype=bool)
    grids = [np.repeat(partial[:, np.newaxis], len(result.keys), axis=1), *result.series.marks.values()]
    sets = sum(grid.ravel().astype(np.int64) << place for place, grid in enumerate(grids))
    found, places = np.unique(sets, return_inverse=True)
    words = [", ".join(name for place, name in enumerate(names) if bits >> place & 1) for bits in found.tolist()]
    return pa.array(words, pa.string()).take(pa.array(places))


def _table(result: Result, frame: _Frame) -> pa.Table:
    """The values of a result in the published form: a row for each period and key."""
    codes, reasons = np.unique(result.series.codes.ravel(), return_inverse=True)
    texts = pa.array([result.reasons.text(int(code)) for code in codes], pa.string())
    above, below = result.numerator, result.denominator
    nothing = pa.nulls(result.series.codes.size, NUMBER)
    columns = {
        **frame.columns,
        "metric": frame.same(result.metric.name),
        "value": result.series.column(NUMBER),
        "reason": texts.take(pa.array(reasons)),
        "numerator": above.column(NUMBER) if above is not None and below is not None else nothing,
        "denominator": below.column(NUMBER) if above is not None and below is not None else nothing,
        "definition_version": frame.same(result.metric.version),
    }
    if result.series.marks:
        columns["marks"] = _marks(result)
    return pa.table(columns, schema=SCHEMA)


def values_table(results: Iterable[tuple[int, Result]]) -> pa.Table:
    """All values as one table of the published form, in the order of the places that come with the results."""
    frames: dict[_Frame, _Frame] = {}
    tables: dict[int, pa.Table] = {}
    for place, result in results:
        frame = _Frame(result.request.periods, tuple(result.keys), result.request.by)
        tables[place] = _table(result, frames.setdefault(frame, frame))
    return pa.concat_tables(tables[place] for place in sorted(tables)) if tables else SCHEMA.empty_table()
