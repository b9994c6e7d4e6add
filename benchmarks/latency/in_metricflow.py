"""Leads by month and direction, asked of MetricFlow. Runs in the environment that is made for it alone.

`python -m benchmarks.latency.in_metricflow WAY STORE ANSWER TIMES`; the dbt project is copied beside the answer,
because dbt writes where it works, and its tables are built there before anything is timed.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dbt.cli.main import dbtRunner
from dbt_metricflow.cli.cli_configuration import CLIConfiguration
from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

from benchmarks.latency.clock import timed

PROJECT = Path(__file__).with_name("dbt")
METRIC, MONTH, DIRECTION = "lead_count", "metric_time__month", "lead__direction"


def prepared(store: str, folder: Path) -> CLIConfiguration:
    """The project with its time spine, and what the command `mf` holds of it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT, folder)
    os.environ |= {
        "BENCH_STORE": store,
        "BENCH_DATABASE": str(folder / "dbt.duckdb"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    os.chdir(folder)
    done = dbtRunner().invoke(["--quiet", "build", "--project-dir", str(folder), "--profiles-dir", str(folder)])
    if not done.success:
        raise SystemExit(f"dbt build failed: {done.exception or done.result}")
    held = CLIConfiguration()
    held.setup(dbt_profiles_path=folder, dbt_project_path=folder)
    return held


def main(store: str, answer: Path, times: int) -> None:
    """Ask, and write down the answer."""
    engine = prepared(store, answer.with_suffix(".dbt")).mf

    def ask() -> Any:
        request = MetricFlowQueryRequest.create(metric_names=[METRIC], group_by_names=[MONTH, DIRECTION])
        found = engine.query(request).result_df
        return [column.column_name for column in found.column_descriptions], list(found.rows)

    names, rows = timed(ask, times, version=version("dbt-metricflow"))
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    columns = {"month": table[MONTH], "direction": table[DIRECTION], "value": table[METRIC]}
    pq.write_table(pa.table(columns), answer)


if __name__ == "__main__":
    main(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
