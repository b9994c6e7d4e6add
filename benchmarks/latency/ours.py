"""Leads by month and direction, asked of the product and of SQL by hand.

`python -m benchmarks.latency.ours WAY STORE ANSWER TIMES`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.generate import FIRST_MONTH, NOW, REPORTING_CURRENCY
from benchmarks.latency.clock import timed
from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.metrics import builtin_catalogue

Ask = Callable[[], pa.Table]

SQL = """
SELECT date_trunc('month', created_at)::DATE AS month, coalesce(direction, 'unknown') AS direction, count(*) AS value
FROM leads
WHERE duplicate_of IS NULL
GROUP BY ALL
"""


def product(store: Path) -> Ask:
    """A new evaluation for each question: nothing is left of the one before."""
    catalogue, warehouse = builtin_catalogue(), Warehouse.open(store)
    return lambda: _answer(Evaluation(catalogue, Context(warehouse, _settings())))


def product_again(store: Path) -> Ask:
    """One evaluation for all questions, which keeps the tables that it has made."""
    evaluation = Evaluation(builtin_catalogue(), Context(Warehouse.open(store), _settings()))
    return lambda: _answer(evaluation)


def hand(store: Path) -> Ask:
    """The statement alone."""
    connection = duckdb.connect(str(store), read_only=True)
    return lambda: connection.execute(SQL).to_arrow_table()


def _settings() -> Settings:
    return Settings(now=NOW, reporting_currency=REPORTING_CURRENCY)


def _answer(evaluation: Evaluation) -> pa.Table:
    months = evaluation.context.calendar.spine(FIRST_MONTH, NOW, "month")
    (result,) = evaluation.results([Request("lead_count", months, by=("direction",))])
    return pa.Table.from_pylist([_row(value) for value in result.values()])


def _row(value: Value) -> dict[str, object]:
    return {"month": value.period.start, "direction": value.dimensions["direction"], "value": value.value}


WAYS: dict[str, Callable[[Path], Ask]] = {way.__name__: way for way in (product, product_again, hand)}


def main(way: str, store: Path, answer: Path, times: int) -> None:
    """Ask, and write down the answer."""
    pq.write_table(timed(WAYS[way](store), times), answer)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
