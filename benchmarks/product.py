"""The product's side: the build that `revgauge build` runs.

Once asked for the metrics of the first families by exactly the cuts that the hand-written SQL works out, and once for
the whole catalogue as it is published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import revgauge.derived
import revgauge.metrics
from benchmarks.compare import SCHEMA
from benchmarks.generate import FIRST_MONTH, NOW, REPORTING_CURRENCY
from benchmarks.hand_sql import FAMILIES, TOTAL, Family
from revgauge.catalogue.build import Scope, values_table
from revgauge.catalogue.build import build as build_catalogue
from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Forms, Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.published import Built, publish
from revgauge.catalogue.registry import Catalogue, definitions_in
from revgauge.model.store import QUERIES

DEAREST = 10
"""How many steps of a build are told with the time that they took."""


def build(
    store: Path, into: Path, memory_limit: str | None = None, families: Sequence[Family] = FAMILIES
) -> tuple[pa.Table, dict[str, Any]]:
    """Compute and publish everything; returns the figures in the common form, and what the build says of itself.

    Queries are kept in a folder beside the values, as they are in a project, and those of an earlier build are used.
    """
    return build_over(_built_before(store, into, memory_limit), into, families)


def first_build(
    store: Path, into: Path, memory_limit: str | None = None, families: Sequence[Family] = FAMILIES
) -> tuple[pa.Table, dict[str, Any]]:
    """The same where no earlier build has left its queries: each has to be written."""
    return build_over(_opened(store, into, memory_limit), into, families)


def build_over(
    warehouse: Warehouse, into: Path, families: Sequence[Family] = FAMILIES
) -> tuple[pa.Table, dict[str, Any]]:
    """The same over entities that stand anywhere."""
    evaluation = _evaluation(warehouse)
    requests = list(_requests(evaluation, families))
    values = values_table(evaluation.answered(requests, statistics=False))
    return _published(evaluation, Built(values, len({request.metric for request in requests}), {}), into)


def whole_catalogue(store: Path, into: Path, memory_limit: str | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """The build of all metrics of the catalogue, by month, in total and by every dimension that a build publishes."""
    evaluation = _evaluation(_built_before(store, into, memory_limit))
    built = build_catalogue(evaluation, Scope(grains=("month",), first_day=FIRST_MONTH))
    figures, notes = _published(evaluation, built, into)
    return figures, {**notes, "metrics": built.metrics, "not_computable": built.not_computable}


def _opened(store: Path, into: Path, memory_limit: str | None) -> Warehouse:
    warehouse = Warehouse.open(store, memory_limit=memory_limit)
    warehouse.connection.execute(f"SET temp_directory = '{into.with_suffix('.scratch')}'")
    return warehouse


def _built_before(store: Path, into: Path, memory_limit: str | None) -> Warehouse:
    """The same with the queries that earlier builds have kept."""
    warehouse = _opened(store, into, memory_limit)
    warehouse.engine.forms = Forms(into.parent / QUERIES)
    return warehouse


def _evaluation(warehouse: Warehouse) -> Evaluation:
    warehouse.frugal = True
    settings = Settings(now=NOW, reporting_currency=REPORTING_CURRENCY)
    return Evaluation(_catalogue(), Context(warehouse, settings))


def _published(evaluation: Evaluation, built: Built, into: Path) -> tuple[pa.Table, dict[str, Any]]:
    publish(built, into, {"as_of": NOW.isoformat()})
    steps = evaluation.context.warehouse.journal.steps
    dearest = sorted(steps, key=lambda step: -step.seconds)[:DEAREST]
    told = [{"name": step.name, "kind": step.kind, "seconds": step.seconds, "rows": step.rows} for step in dearest]
    return _common_form(built.values), {"steps": len(steps), "dearest": told}


def _catalogue() -> Catalogue:
    def definitions() -> Iterator[Any]:
        yield from definitions_in(revgauge.derived)
        yield from definitions_in(revgauge.metrics)

    return Catalogue(definitions())


def _requests(evaluation: Evaluation, families: Sequence[Family]) -> Iterator[Request]:
    months = evaluation.context.calendar.spine(FIRST_MONTH, NOW, "month")
    for family in families:
        for metric in family.metrics:
            if metric in evaluation.catalogue.metrics:
                yield Request(metric, months)
                for dimension in family.dimensions:
                    yield Request(metric, months, by=(dimension,))


def _common_form(values: pa.Table) -> pa.Table:
    metric, dimension, value = (values[name].cast(pa.string()) for name in ("metric", "dimension", "dimension_value"))
    columns = [
        metric,
        values["period_start"],
        pc.if_else(pc.equal(dimension, ""), TOTAL, dimension),
        value,
        values["value"].cast(pa.float64()),
    ]
    return pa.table(columns, schema=SCHEMA)
