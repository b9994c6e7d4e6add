"""Leads by month and direction, asked of Boring Semantic Layer. Runs in the environment that is made for it alone.

`python -m benchmarks.latency.in_boring_semantic_layer WAY STORE ANSWER TIMES`
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import ibis
import pyarrow.parquet as pq
from boring_semantic_layer import Dimension, to_semantic_table

from benchmarks.latency.clock import timed


def model(store: str) -> Any:
    """What a user of it would write down once."""
    connection = ibis.duckdb.connect()
    connection.attach(store, name="store", read_only=True)
    created_at = Dimension(expr=lambda t: t.created_at, is_time_dimension=True, smallest_time_grain="TIME_GRAIN_DAY")
    return (
        to_semantic_table(connection.table("leads", database=("store", "main")), name="leads")
        .filter(lambda t: t.duplicate_of.isnull())
        .with_dimensions(direction=lambda t: t.direction.fill_null("unknown"), created_at=created_at)
        .with_measures(lead_count=lambda t: t.count())
    )


def main(store: str, answer: str, times: int) -> None:
    """Ask, and write down the answer."""
    leads = model(store)

    def ask() -> Any:
        dimensions = ["created_at", "direction"]
        query = leads.query(dimensions=dimensions, measures=["lead_count"], time_grain="TIME_GRAIN_MONTH")
        return query.to_pyarrow()

    table = timed(ask, times, version=version("boring-semantic-layer"))
    pq.write_table(table.rename_columns({"created_at": "month", "lead_count": "value"}), answer)


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3], int(sys.argv[4]))
