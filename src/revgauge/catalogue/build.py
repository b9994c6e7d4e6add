"""A build: every metric by every grain and dimension, planned together, as one table of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, localcontext
from typing import Any

import numpy as np
import pyarrow as pa

from revgauge.catalogue.evaluation import Evaluation, Request, Result
from revgauge.catalogue.measures import Measure, Unknown
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.published import PLACES, SCHEMA, Built
from revgauge.catalogue.registry import Metric
from revgauge.catalogue.series import PRECISION, Series
from revgauge.model.period import Grain

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
    days: list[date] = []
    for entity, column in FIRST_DAYS:
        if warehouse.loaded(entity):
            table = warehouse.entity(entity)
            found = warehouse.pairs(table.aggregate(first=table[column].cast("date").min()))[0][0]
            if found is not None and found <= evaluation.context.now:
                days.append(found)
    return min(days) if days else None


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
    results = evaluation.results(requests)
    progress("writing values")
    return Built(values_table(results), len(cuts), not_computable)


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


def _numbers(series: Series) -> pa.Array:
    """The values of a series, period by period, rounded to the published places."""
    codes, numbers = series.codes.ravel().tolist(), series.numbers.ravel().tolist()
    rounded = [
        None if code else number.quantize(PLACES, ROUND_HALF_EVEN) for code, number in zip(codes, numbers, strict=True)
    ]
    return pa.array(rounded, pa.decimal128(38, 12))


def _marks(result: Result) -> pa.Array:
    """The marks of each value in words."""
    names = ["to date", *result.series.marks]
    partial = np.array([period.partial for period in result.request.periods], dtype=bool)
    grids = [np.repeat(partial[:, np.newaxis], len(result.keys), axis=1), *result.series.marks.values()]
    sets = sum(grid.ravel().astype(np.int64) << place for place, grid in enumerate(grids))
    found, places = np.unique(sets, return_inverse=True)
    words = [", ".join(name for place, name in enumerate(names) if bits >> place & 1) for bits in found.tolist()]
    return pa.array(words, pa.string()).take(pa.array(places))


def _table(result: Result) -> pa.Table:
    """The values of a result in the published form: a row for each period and key."""
    periods, keys, by = result.request.periods, result.keys, result.request.by
    size = len(periods) * len(keys)
    row = pa.array(np.repeat(np.arange(len(periods)), len(keys)))
    column = pa.array(np.tile(np.arange(len(keys)), len(periods)))

    def same(text: str) -> pa.Array:
        return pa.repeat(pa.scalar(text, pa.string()), size)

    def of_period(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(row)

    codes, reasons = np.unique(result.series.codes.ravel(), return_inverse=True)
    texts = pa.array([result.reasons.text(int(code)) for code in codes], pa.string())
    nothing = pa.nulls(size, pa.decimal128(38, 12))
    above, below = result.numerator, result.denominator
    columns = {
        "metric": same(result.metric.name),
        "grain": of_period([period.grain for period in periods], pa.string()),
        "period": of_period([period.label for period in periods], pa.string()),
        "period_start": of_period([period.start for period in periods], pa.date32()),
        "period_end": of_period([period.end for period in periods], pa.date32()),
        "dimension": same(by[0] if by else ""),
        "dimension_value": pa.array([key[0] if key else "" for key in keys], pa.string()).take(column),
        "value": _numbers(result.series),
        "reason": texts.take(pa.array(reasons)),
        "marks": _marks(result),
        "numerator": _numbers(above) if above is not None and below is not None else nothing,
        "denominator": _numbers(below) if above is not None and below is not None else nothing,
        "definition_version": same(result.metric.version),
    }
    return pa.table(columns, schema=SCHEMA)


def values_table(results: Iterable[Result]) -> pa.Table:
    """All values as one table of the published form."""
    with localcontext(prec=PRECISION):
        tables = [_table(result) for result in results]
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()
