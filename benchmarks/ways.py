"""The ways in which the figures are worked out, and one measurement of one of them in a process of its own.

`python -m benchmarks.ways WAY STORE FIGURES [--memory-limit SIZE]` works the figures out once, writes them to a Parquet
file and prints seconds, peak memory and what else there is to say as JSON. Only the work is timed: modules are imported
before, connections are open, and rows stand where the engine reads them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.compare import SCHEMA
from benchmarks.generate import FIRST_MONTH, NOW, REPORTING_CURRENCY
from benchmarks.machine import cpu_seconds, peak_mib
from benchmarks.scans import counted

PER_METRIC_CUT = "segment"
"""One query per metric is asked along this cut alone; every family has it."""

COUNTED = ("product", "hand", "per_metric", "hand_movements", "catalogue", "third", "hand_third")
"""Ways of which every read can be seen: all of it is in plans of DuckDB."""


@dataclass(frozen=True)
class Job:
    """What is to be worked out."""

    store: Path
    figures: Path
    memory_limit: str | None = None
    """What DuckDB may hold before it spills to disk, or the memory that Spark is given."""


@dataclass(frozen=True)
class Work:
    """All that is timed, and the processes that do part of it."""

    run: Callable[[], tuple[pa.Table | None, dict[str, Any]]]
    processes: tuple[int, ...] = ()


def product(job: Job) -> Work:
    """The product's build, with the queries that earlier ones have kept: the one that counts scans is before all."""
    from benchmarks import product as way

    return Work(lambda: way.build(job.store, job.figures.with_suffix(".build.duckdb"), job.memory_limit))


def product_first(job: Job) -> Work:
    """The product's build where no query was kept."""
    from benchmarks import product as way

    return Work(lambda: way.first_build(job.store, job.figures.with_suffix(".build.duckdb"), job.memory_limit))


def hand(job: Job) -> Work:
    """SQL by hand, every scan shared."""
    from benchmarks import hand_sql

    return _by_hand(job, hand_sql.FAMILIES)


def hand_movements(job: Job) -> Work:
    """MRR and its movements alone, in SQL by hand."""
    from benchmarks import hand_sql

    return _by_hand(job, (hand_sql.MOVEMENTS,))


def _by_hand(job: Job, families: Any) -> Work:
    from benchmarks import hand_sql

    def run() -> tuple[None, dict[str, Any]]:
        hand_sql.build(
            job.store,
            now=NOW,
            first_month=FIRST_MONTH,
            currency=REPORTING_CURRENCY,
            families=families,
            into=job.figures,
            memory_limit=job.memory_limit,
        )
        return None, {}

    return Work(run)


def per_metric(job: Job) -> Work:
    """One query for each metric, along one cut."""
    from benchmarks import per_metric_sql as way

    def run() -> tuple[pa.Table, dict[str, Any]]:
        rows, asked, _ = way.build(
            job.store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY, cuts=[PER_METRIC_CUT]
        )
        columns = list(zip(*rows, strict=True))
        return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], SCHEMA), {
            "queries": asked
        }

    return Work(run)


def polars_movements(job: Job) -> Work:
    """MRR and its movements alone, in polars."""
    from benchmarks import polars_movements as way

    def run() -> tuple[pa.Table, dict[str, Any]]:
        built = way.build(job.store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY)
        return built.to_arrow(), {}

    return Work(run)


def pandas_movements(job: Job) -> Work:
    """MRR and its movements alone, in pandas."""
    from benchmarks import pandas_movements as way

    def run() -> tuple[pa.Table, dict[str, Any]]:
        built = way.build(job.store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY)
        return pa.Table.from_pandas(built, preserve_index=False), {}

    return Work(run)


def product_postgresql(job: Job) -> Work:
    """The product's build on a PostgreSQL server."""
    return _on("postgresql", job)


def product_spark(job: Job) -> Work:
    """The product's build on Spark."""
    return _on("spark", job)


def _on(engine: str, job: Job) -> Work:
    from benchmarks import product as way
    from benchmarks.engines import fill

    filled = fill(engine, job.store, job.figures.with_suffix(f".{engine}"), job.memory_limit)

    def run() -> tuple[pa.Table, dict[str, Any]]:
        table, notes = way.build_over(filled.warehouse, job.figures.with_suffix(".build.duckdb"))
        return table, {**notes, "load_seconds": round(filled.load_seconds, 3)}

    return Work(run, filled.processes)


def catalogue(job: Job) -> Work:
    """The product's build of the whole catalogue."""
    from benchmarks import product as way

    return Work(lambda: way.whole_catalogue(job.store, job.figures.with_suffix(".build.duckdb"), job.memory_limit))


def third(job: Job) -> Work:
    """The product's build of a third of the catalogue, by the cuts of the SQL by hand."""
    from benchmarks import hand_sql
    from benchmarks import product as way

    into = job.figures.with_suffix(".build.duckdb")
    return Work(lambda: way.build(job.store, into, job.memory_limit, hand_sql.THIRD))


def hand_third(job: Job) -> Work:
    """That third in SQL by hand."""
    from benchmarks import hand_sql

    return _by_hand(job, hand_sql.THIRD)


WAYS: dict[str, Callable[[Job], Work]] = {
    way.__name__: way
    for way in (
        product,
        product_first,
        hand,
        per_metric,
        product_postgresql,
        product_spark,
        hand_movements,
        polars_movements,
        pandas_movements,
        catalogue,
        third,
        hand_third,
    )
}

WHOLE = ("catalogue", "third", "hand_third")
"""Ways over the store of the whole catalogue."""


IMPORTED_LATE = ("pandas", "ibis.backends.duckdb", "revgauge.derived", "revgauge.metrics")
"""What is imported at its first use: pandas by DuckDB and Arrow alike, the others by the product."""


def measure(way: str, job: Job) -> dict[str, Any]:
    """Work the figures out once; seconds by the clock and of all cores, peak memory, and what the way reports."""
    work = WAYS[way](job)
    for name in IMPORTED_LATE:
        _import(name)
    used = sum(map(cpu_seconds, work.processes))
    started, busy = time.perf_counter(), time.process_time()
    table, notes = work.run()
    seconds, own = time.perf_counter() - started, time.process_time() - busy
    used = sum(map(cpu_seconds, work.processes)) - used
    peak = peak_mib() + sum(map(peak_mib, work.processes))
    if table is not None:
        pq.write_table(table.select(SCHEMA.names).cast(SCHEMA), job.figures)
    return {"seconds": seconds, "cpu_seconds": own + used, "peak_mib": peak, **notes}


def _import(name: str) -> None:
    """A module and, of a folder of definitions, all that are in it."""
    module = importlib.import_module(name)
    if name.startswith("revgauge."):
        for found in pkgutil.iter_modules(module.__path__, f"{name}."):
            importlib.import_module(found.name)


def count_scans(way: str, job: Job) -> dict[str, int]:
    """How often each table of the store is read; this run is not timed."""
    with counted(database(way)) as found:
        WAYS[way](job).run()
    return dict(sorted(found.items()))


def database(way: str) -> str:
    """The name under which a way attaches the store."""
    return "entities" if way in ("product", "catalogue", "third") else "store"


def main() -> None:
    """One measurement, or with `--scans` one count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ways")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("store", type=Path)
    parser.add_argument("figures", type=Path)
    parser.add_argument("--memory-limit")
    parser.add_argument("--scans", action="store_true", help="count how often each table is read")
    parser.add_argument("--steps", action="store_true", help="print the dearest steps of a build, for tuning")
    options = parser.parse_args()
    job = Job(options.store, options.figures, options.memory_limit)
    found: dict[str, Any] = dict(count_scans(options.way, job) if options.scans else measure(options.way, job))
    for step in found.get("dearest", []) if options.steps else []:
        print(f"{step['seconds']:9.3f} s {step['rows']:>12,} rows  {step['kind']:9}{step['name']}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
