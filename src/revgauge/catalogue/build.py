"""A build: every metric by every grain and dimension, as one table of values that is published as a whole.

Values are written into a new file beside the old one, brought to disk and put in its place with one rename, so that a
reader sees the old build or the new one and never a mixture, also when the build is killed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from revgauge.catalogue.evaluation import Evaluation, Request, Result
from revgauge.catalogue.measures import Unknown
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.series import PRECISION
from revgauge.model.period import Grain

PLACES = Decimal(1).scaleb(-12)
"""Published values are exact to twelve places."""

MANY_VALUED = frozenset({"account_id", "campaign_id", "owner_id"})
"""Dimensions with as many values as there are rows of something: computed when asked for, not published."""

SCHEMA = pa.schema(
    [
        ("metric", pa.string()),
        ("grain", pa.string()),
        ("period", pa.string()),
        ("period_start", pa.date32()),
        ("period_end", pa.date32()),
        ("dimension", pa.string()),
        ("dimension_value", pa.string()),
        ("value", pa.decimal128(38, 12)),
        ("reason", pa.string()),
        ("marks", pa.string()),
        ("numerator", pa.decimal128(38, 12)),
        ("denominator", pa.decimal128(38, 12)),
        ("definition_version", pa.string()),
    ]
)

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


@dataclass
class Built:
    """The values of a build, and what could not be computed at all."""

    values: pa.Table
    metrics: int
    not_computable: dict[str, str]


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
    """Compute every metric of the catalogue that needs no parameter, planned together."""
    catalogue, calendar = evaluation.catalogue, evaluation.context.calendar
    start = scope.first_day or first_day(evaluation) or evaluation.context.now
    spines = {grain: calendar.spine(start, evaluation.context.now, grain) for grain in scope.grains}
    names = scope.metrics or tuple(catalogue.metrics)
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
        cuts[name] = _cuts(evaluation.dimensions(metric, measure), scope)
    for by in [(), *dict.fromkeys((dimension,) for found in cuts.values() for dimension in found)]:
        wanted = [name for name, found in cuts.items() if not by or by[0] in found]
        requests += [Request(name, spine, by=by) for name in wanted for spine in spines.values()]
    progress(f"computing {len(cuts)} metrics by {', '.join(scope.grains)}")
    results = evaluation.results(requests)
    progress("writing values")
    return Built(values_table(results), len(cuts), not_computable)


def _cuts(dimensions: Sequence[str], scope: Scope) -> tuple[str, ...]:
    if scope.dimensions is None:
        return tuple(name for name in dimensions if name not in MANY_VALUED)
    return tuple(name for name in dimensions if name in scope.dimensions)


def _rounded(number: Decimal | None) -> Decimal | None:
    return None if number is None else number.quantize(PLACES, ROUND_HALF_EVEN)


def _grid(series: Any) -> list[Decimal | None]:
    codes = series.codes.ravel()
    return [None if code else _rounded(number) for code, number in zip(codes, series.numbers.ravel(), strict=True)]


def _columns(result: Result) -> dict[str, list[Any]]:
    """The values of a result, column by column."""
    periods, keys = result.request.periods, result.keys
    size = len(periods) * len(keys)
    nothing: list[Any] = [None] * size
    by = result.request.by
    marks = [[("to date",) if period.partial else ()] * len(keys) for period in periods]
    for mark, grid in result.series.marks.items():
        marks = [
            [(*old, mark) if grid[row, column] else old for column, old in enumerate(line)]
            for row, line in enumerate(marks)
        ]
    shared = result.numerator is not None and result.denominator is not None
    return {
        "metric": [result.metric.name] * size,
        "grain": [period.grain for period in periods for _ in keys],
        "period": [period.label for period in periods for _ in keys],
        "period_start": [period.start for period in periods for _ in keys],
        "period_end": [period.end for period in periods for _ in keys],
        "dimension": [by[0] if by else ""] * size,
        "dimension_value": [key[0] if key else "" for _ in periods for key in keys],
        "value": _grid(result.series),
        "reason": [result.reasons.text(int(code)) for code in result.series.codes.ravel()],
        "marks": [", ".join(words) for line in marks for words in line],
        "numerator": _grid(result.numerator) if shared else nothing,
        "denominator": _grid(result.denominator) if shared else nothing,
        "definition_version": [result.metric.version] * size,
    }


def values_table(results: Iterable[Result]) -> pa.Table:
    """All values as one table of the published form."""
    with localcontext(prec=PRECISION):
        tables = [pa.table(_columns(result), schema=SCHEMA) for result in results]
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def publish(built: Built, path: Path, facts: Mapping[str, str]) -> None:
    """Put the values in place of the last published ones, in one step."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.unlink(missing_ok=True)
    quoted = str(beside).replace("'", "''")
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH '{quoted}' AS published (STORAGE_VERSION 'v1.0.0')")
        connection.register("computed", built.values)
        connection.execute("CREATE TABLE published.metric_values AS SELECT * FROM computed")
        connection.execute("CREATE TABLE published.build (name VARCHAR, value VARCHAR)")
        connection.executemany("INSERT INTO published.build VALUES (?, ?)", [list(pair) for pair in facts.items()])
        connection.execute("CREATE TABLE published.not_computable (metric VARCHAR, reason VARCHAR)")
        if built.not_computable:
            connection.executemany(
                "INSERT INTO published.not_computable VALUES (?, ?)",
                [list(pair) for pair in built.not_computable.items()],
            )
        connection.execute("DETACH published")
    finally:
        connection.close()
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True)
class Published:
    """The last published build, opened for reading."""

    path: Path

    def facts(self) -> dict[str, str]:
        """What is known of the build: its id, day, time and the load it read; empty if there is none."""
        return {} if not self.path.exists() else dict(self._rows("SELECT name, value FROM build"))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection = duckdb.connect(str(self.path), read_only=True)
        try:
            return connection.execute(query, list(values)).fetchall()
        finally:
            connection.close()

    def values(self, metric: str, grain: Grain, dimension: str = "") -> list[dict[str, Any]]:
        """The published values of a metric, in the order of periods and dimension values."""
        names = SCHEMA.names
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM metric_values WHERE metric = ? AND grain = ? AND dimension = ? "  # noqa: S608 - names of our own schema
            "ORDER BY period_start, dimension_value",
            (metric, grain, dimension),
        )
        return [dict(zip(names, row, strict=True)) for row in rows]


def build_id(at: datetime, load: str) -> str:
    """The name of a build: when it ran and which load it read."""
    return f"{at:%Y%m%dT%H%M%SZ}-{load[:12] or 'empty'}"


__all__ = ["Built", "Published", "Scope", "build", "first_day", "publish", "values_table"]
