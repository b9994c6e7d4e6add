"""The ways in which the figures are worked out, and one measurement of one of them in a process of its own.

`python -m benchmarks.ways WAY STORE FIGURES` works the figures out once, writes them to a Parquet file and prints
seconds, peak memory and what else there is to say as JSON. Only the work is timed: modules are imported before.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.compare import SCHEMA
from benchmarks.generate import FIRST_MONTH, NOW, REPORTING_CURRENCY
from benchmarks.scans import counted

PER_METRIC_CUT = "segment"
"""One query per metric is asked along this cut alone; every family has it."""

Prepared = Callable[[], tuple[pa.Table | None, dict[str, Any]]]


def product(store: Path, figures: Path) -> Prepared:
    """The product's build."""
    from benchmarks import product as way

    return lambda: way.build(store, figures.with_suffix(".build.duckdb"))


def hand(store: Path, figures: Path) -> Prepared:
    """SQL by hand, every scan shared."""
    from benchmarks import hand_sql

    def run() -> tuple[None, dict[str, Any]]:
        hand_sql.build(store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY, into=figures)
        return None, {}

    return run


def per_metric(store: Path, _figures: Path) -> Prepared:
    """One query for each metric, along one cut."""
    from benchmarks import per_metric_sql as way

    def run() -> tuple[pa.Table, dict[str, Any]]:
        rows, asked, _ = way.build(
            store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY, cuts=[PER_METRIC_CUT]
        )
        columns = list(zip(*rows, strict=True))
        return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], SCHEMA), {
            "queries": asked
        }

    return run


def hand_movements(store: Path, figures: Path) -> Prepared:
    """MRR and its movements alone, in SQL by hand."""
    from benchmarks import hand_sql

    def run() -> tuple[None, dict[str, Any]]:
        families = [hand_sql.MOVEMENTS]
        hand_sql.build(
            store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY, families=families, into=figures
        )
        return None, {}

    return run


def polars_movements(store: Path, _figures: Path) -> Prepared:
    """MRR and its movements alone, in polars."""
    from benchmarks import polars_movements as way

    def run() -> tuple[pa.Table, dict[str, Any]]:
        built = way.build(store, now=NOW, first_month=FIRST_MONTH, currency=REPORTING_CURRENCY)
        return built.to_arrow(), {}

    return run


WAYS: dict[str, Callable[[Path, Path], Prepared]] = {
    way.__name__: way for way in (product, hand, per_metric, hand_movements, polars_movements)
}


def measure(way: str, store: Path, figures: Path) -> dict[str, Any]:
    """Work the figures out once; seconds by the clock and of all cores, peak memory, and what the way reports."""
    run = WAYS[way](store, figures)
    started, busy = time.perf_counter(), time.process_time()
    table, notes = run()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
    peak = _peak_mib()
    if table is not None:
        pq.write_table(table.select(SCHEMA.names).cast(SCHEMA), figures)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak, **notes}


def _peak_mib() -> float:
    """The most memory that this process held; on Linux without what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def count_scans(way: str, store: Path, figures: Path) -> dict[str, int]:
    """How often each table of the store is read; this run is not timed."""
    with counted(database(way)) as found:
        WAYS[way](store, figures)()
    return dict(sorted(found.items()))


def database(way: str) -> str:
    """The name under which a way attaches the store."""
    return "entities" if way == "product" else "store"


def main() -> None:
    """One measurement, or with `--scans` one count."""
    way, store, figures, *options = sys.argv[1:]
    work = count_scans if "--scans" in options else measure
    print(json.dumps(work(way, Path(store), Path(figures))))


if __name__ == "__main__":
    main()
