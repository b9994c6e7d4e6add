"""The product's side: one build of the metrics of the first families, by month, in total and along five dimensions.

The build is the one that `revgauge build` runs, asked for exactly the cuts that the hand-written SQL works out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import revgauge.derived
import revgauge.metrics
from benchmarks.compare import SCHEMA
from benchmarks.generate import FIRST_MONTH, NOW, REPORTING_CURRENCY
from benchmarks.hand_sql import FAMILIES, TOTAL
from revgauge.catalogue.build import values_table
from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.published import Built, publish
from revgauge.catalogue.registry import Catalogue, definitions_in


def build(store: Path, into: Path, memory_limit: str | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Compute and publish everything; returns the figures in the common form, and what the build says of itself."""
    warehouse = Warehouse.open(store, memory_limit=memory_limit)
    warehouse.connection.execute(f"SET temp_directory = '{into.with_suffix('.scratch')}'")
    return build_over(warehouse, into)


def build_over(warehouse: Warehouse, into: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The same over entities that stand anywhere."""
    settings = Settings(now=NOW, reporting_currency=REPORTING_CURRENCY)
    warehouse.frugal = True
    evaluation = Evaluation(_catalogue(), Context(warehouse, settings))
    requests = list(_requests(evaluation))
    values = values_table(evaluation.results(requests))
    facts = {"as_of": NOW.isoformat()}
    publish(Built(values, len({request.metric for request in requests}), {}), into, facts)
    journal = evaluation.context.warehouse.journal
    return _common_form(values), {"steps": len(journal.steps)}


def _catalogue() -> Catalogue:
    def definitions() -> Iterator[Any]:
        yield from definitions_in(revgauge.derived)
        yield from definitions_in(revgauge.metrics)

    return Catalogue(definitions())


def _requests(evaluation: Evaluation) -> Iterator[Request]:
    months = evaluation.context.calendar.spine(FIRST_MONTH, NOW, "month")
    for family in FAMILIES:
        for metric in family.metrics:
            if metric in evaluation.catalogue.metrics:
                yield Request(metric, months)
                for dimension in family.dimensions:
                    yield Request(metric, months, by=(dimension,))


def _common_form(values: pa.Table) -> pa.Table:
    dimension = pc.if_else(pc.equal(values["dimension"], ""), TOTAL, values["dimension"])
    columns = [
        values["metric"],
        values["period_start"],
        dimension,
        values["dimension_value"],
        values["value"].cast(pa.float64()),
    ]
    return pa.table(columns, schema=SCHEMA)
