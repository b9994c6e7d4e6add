"""Asks every way in turn, and sets the answers side by side."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.compare import SCHEMA, Comparison, compare

ROOT = Path(__file__).parent.parent.parent

TIMES = 20
"""How often the question is asked again."""

PATIENCE = 600
"""Seconds after which a way is given up."""

LABELS = {
    "product": "revgauge",
    "product_again": "revgauge, asked again in the same evaluation",
    "hand": "SQL by hand",
    "metricflow": "MetricFlow",
    "boring_semantic_layer": "Boring Semantic Layer",
}

GUESTS = {"metricflow": "metricflow", "boring_semantic_layer": "boring-semantic-layer"}
"""Ways that run in an environment of their own, and its name in `.venv-bench-...` and `requirements-...txt`."""


def environment(way: str) -> Path:
    """The Python of the environment in which a way runs."""
    if way not in GUESTS:
        return Path(sys.executable)
    return ROOT / f".venv-bench-{GUESTS[way]}" / "bin" / "python"


def ask(way: str, store: Path) -> dict[str, Any]:
    """One measurement in a process of its own: seconds of the first answer, of those after it, and of all cores.

    Raises RuntimeError with the reason if the way is not installed or fails.
    """
    python, answer = environment(way), answers_path(way, store)
    if not python.exists():
        raise RuntimeError(f"{python.parent.parent.name} is not there: run `make bench-environments`")
    answer.unlink(missing_ok=True)
    module = f"in_{way}" if way in GUESTS else "ours"
    command = [python, "-m", f"benchmarks.latency.{module}", way, store.absolute(), answer.absolute(), TIMES]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=quiet, timeout=PATIENCE, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise RuntimeError(last or f"ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def answers_path(way: str, store: Path) -> Path:
    """Where a way writes its answer: rows of (month, direction, value)."""
    return store.with_name(f"{store.stem}.latency.{way}.parquet")


def figures(answer: pa.Table) -> pa.Table:
    """An answer in the form in which figures are compared."""
    size = answer.num_rows
    columns = [
        pa.repeat("lead_count", size),
        answer["month"].cast(pa.timestamp("us")).cast(pa.date32()),
        pa.repeat("direction", size),
        pc.fill_null(answer["direction"].cast(pa.string()), "unknown"),
        answer["value"].cast(pa.float64()),
    ]
    return pa.table(columns, schema=SCHEMA)


def compared(way: str, store: Path, other: str = "product") -> Comparison:
    """How the answer of a way compares with that of another."""
    return compare(*(figures(pq.read_table(answers_path(each, store))) for each in (way, other)))


def measure(store: Path, ways: Sequence[str], repeats: int) -> dict[str, Any]:
    """Ask every way in turn, several times over; medians in seconds, whether the answers agree, what failed."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    failed: dict[str, str] = {}
    for _ in range(repeats):
        for way in ways:
            if way not in failed:
                try:
                    runs[way].append(ask(way, store))
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    failed[way] = str(error)
    summary = {
        way: {
            "first": round(statistics.median(run["first"] for run in found), 5),
            "again": round(statistics.median(seconds for run in found for seconds in run["again"]), 5),
            "again_cpu": round(statistics.median(run["again_cpu"] for run in found), 5),
            **({"version": found[0]["version"]} if "version" in found[0] else {}),
        }
        for way, found in runs.items()
        if found and way not in failed
    }
    comparisons = {way: compared(way, store) for way in summary if way != "product" and "product" in summary}
    return {
        "ways": summary,
        "failed": failed,
        "figures": {way: asdict(comparison) for way, comparison in comparisons.items()},
        "agrees": all(comparison.agrees for comparison in comparisons.values()),
    }
