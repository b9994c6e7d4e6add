"""Runs everything side by side and writes down what came out.

`python -m benchmarks` measures at scale 0.1 and at a tenth of it. Each way works in a process of its own, one at a
time; the ways take turns, so that noise of the machine falls on all of them, and the median counts. Ratios are worth
more than seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.compare import Comparison, compare
from benchmarks.hand_sql import FAMILIES
from benchmarks.machine import describe
from benchmarks.ways import PER_METRIC_CUT, WAYS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"

LABELS = {
    "product": "revgauge build",
    "hand": "SQL by hand, shared scans",
    "per_metric": "one query per metric and cut",
    "hand_movements": "MRR movements, SQL by hand",
    "polars_movements": "MRR movements, polars",
}

ONCE = frozenset({"per_metric"})
"""What takes so long that it is measured once at a scale."""

SIDES = {"product": "hand", "per_metric": "hand", "polars_movements": "hand_movements"}
"""Which way each one is compared with, in figures and in time."""

SMALL = 0.001
"""The scale at which scans are counted."""

_CUTS = len(FAMILIES[0].dimensions) + 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write the results; 1 if figures differ or a way failed."""
    options = _options(arguments)
    scales = sorted(options.scales or {options.scale, options.scale / 10})
    scans = _all_scans(options)
    measured = [_at(scale, options, scans) for scale in scales]
    results = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "repeats": options.repeats,
        "scales": measured,
        "growth": _growth(measured),
    }
    _print_growth(results["growth"])
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {options.results}")
    return 1 if any(found["failed"] or not found["agrees"] for found in measured) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="1.0 is 1 M accounts and 10 M subscription periods")
    parser.add_argument("--scales", type=float, nargs="+", help="several scales, to see the growth")
    parser.add_argument("--repeats", type=int, default=3, help="how often each way is measured; the median counts")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "revgauge-benchmarks")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def _all_scans(options: argparse.Namespace) -> dict[str, dict[str, int]]:
    """How often each way reads each table; the plans are the same at every scale, so a small store will do."""
    store = options.data / "scans.duckdb"
    _generated(SMALL, store)
    found = {}
    for way in options.ways:
        with contextlib.suppress(subprocess.CalledProcessError):  # the measurement says what is wrong with it
            found[way] = _run(way, store, "--scans")
    return found


def _at(scale: float, options: argparse.Namespace, scans: dict[str, dict[str, int]]) -> dict[str, Any]:
    store = options.data / f"scale-{scale:g}.duckdb"
    print(f"\nscale {scale:g}: generating", flush=True)
    rows = _generated(scale, store)
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in options.ways}
    failed: dict[str, str] = {}
    for turn in range(options.repeats):
        for way in options.ways:
            if way in failed or (way in ONCE and turn):
                continue
            try:
                runs[way].append(_run(way, store))
            except subprocess.CalledProcessError as error:
                failed[way] = str(error.stderr).strip().rpartition("\n")[2]
    summary = {way: _summary(way, found, scans.get(way, {})) for way, found in runs.items() if found}
    compared, lacking = {}, {}
    for way, other in SIDES.items():
        if way in summary and other in summary:
            compared[way], lacking[way] = _compared(_figures(way, store), _asked_of(way, _figures(other, store)))
    found = {
        "scale": scale,
        "rows": rows,
        "ways": summary,
        "failed": failed,
        "ratios": _ratios(summary),
        "figures": {way: asdict(comparison) for way, comparison in compared.items()},
        "lacking": {way: names for way, names in lacking.items() if names},
        "agrees": all(comparison.agrees for comparison in compared.values()) and not any(lacking.values()),
    }
    _print_scale(found, compared)
    return found


def _generated(scale: float, store: Path) -> dict[str, int]:
    """Write the store in a process of its own, so that this one stays small beside those that are measured."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.generate", str(scale), str(store)], check=True, capture_output=True, cwd=ROOT
    )
    with duckdb.connect(str(store), read_only=True) as connection:
        return dict(connection.execute("SELECT entity, max(rows) FROM loaded_fields GROUP BY entity").fetchall())


def _run(way: str, store: Path, *options: str) -> dict[str, Any]:
    figures = _figures_path(way, store)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ways", way, str(store), str(figures), *options],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def _figures_path(way: str, store: Path) -> Path:
    return store.with_name(f"{store.stem}.{way}.parquet")


def _figures(way: str, store: Path) -> pa.Table:
    return pq.read_table(_figures_path(way, store))


def _asked_of(way: str, figures: pa.Table) -> pa.Table:
    """Of the other side's figures, those that this way was asked for."""
    if way == "per_metric":
        return figures.filter(pc.equal(figures["dimension"], PER_METRIC_CUT))
    return figures


def _compared(figures: pa.Table, others: pa.Table) -> tuple[Comparison, list[str]]:
    """How the figures of two sides compare where both have the metric, and the metrics that the first has not."""
    known = pc.unique(figures["metric"])
    lacking = set(pc.unique(others["metric"]).to_pylist()) - set(known.to_pylist())
    return compare(figures, others.filter(pc.is_in(others["metric"], value_set=known))), sorted(lacking)


def _summary(way: str, runs: Sequence[dict[str, Any]], scans: dict[str, int]) -> dict[str, Any]:
    seconds = [run["seconds"] for run in runs]
    found = {
        **runs[-1],
        "seconds": round(statistics.median(seconds), 3),
        "cpu_seconds": round(statistics.median(run["cpu_seconds"] for run in runs), 3),
        "all_seconds": [round(each, 3) for each in seconds],
        "peak_mib": round(max(run["peak_mib"] for run in runs)),
        "scans": scans,
        "scans_in_all": sum(scans.values()),
    }
    if way == "per_metric":
        # One cut of six was asked; the others cost the same, since each reads the tables anew.
        for name in ("seconds", "cpu_seconds"):
            found[f"{name}_for_all_cuts"] = round(_CUTS * found[name], 1)
    return found


def _ratios(summary: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        f"{way} / {other}": {
            name: round(_whole(summary[way], name) / summary[other][name], 2) for name in ("seconds", "cpu_seconds")
        }
        for way, other in SIDES.items()
        if way in summary and other in summary
    }


def _whole(found: dict[str, Any], name: str) -> float:
    """The time for all cuts, where only some of them were measured."""
    return float(found.get(f"{name}_for_all_cuts", found[name]))


def _growth(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as long each way takes from one scale to the next, beside the growth of the rows."""
    found = []
    for smaller, larger in itertools.pairwise(measured):
        times = {
            way: {
                name: round(larger["ways"][way][name] / smaller["ways"][way][name], 2)
                for name in ("seconds", "cpu_seconds")
            }
            for way in larger["ways"]
            if way in smaller["ways"]
        }
        rows = sum(larger["rows"].values()) / sum(smaller["rows"].values())
        found.append({"from": smaller["scale"], "to": larger["scale"], "rows": round(rows, 2), "times": times})
    return found


def _print_scale(found: dict[str, Any], compared: dict[str, Comparison]) -> None:
    rows = found["rows"]
    shown = ("accounts", "subscription_periods", "leads", "opportunities", "opportunity_history", "tickets")
    print(", ".join(f"{rows[name]:,} {name.replace('_', ' ')}" for name in shown))
    heading = f"{'':30}{'seconds':>9}{'of cores':>9}  {'each run':24}{'peak MiB':>9}{'scans':>7}"
    print(f"{heading}   {'times as long as, by clock (by cores)':42}figures")
    for way, its in found["ways"].items():
        runs = " ".join(f"{each:.2f}" for each in its["all_seconds"])
        scans = its["scans_in_all"] * (_CUTS if "seconds_for_all_cuts" in its else 1)
        line = f"{LABELS[way]:30}{_whole(its, 'seconds'):>9.2f}{_whole(its, 'cpu_seconds'):>9.2f}  {runs:24}"
        line += f"{its['peak_mib']:>9,}{scans:>7,}"
        other = SIDES.get(way, "")
        ratio = found["ratios"].get(f"{way} / {other}")
        beside = f"{ratio['seconds']:.2f} ({ratio['cpu_seconds']:.2f}) {LABELS[other]}" if ratio else ""
        print(f"{line}   {beside:42}{_verdict(compared.get(way))}")
    if "per_metric" in found["ways"]:
        asked = found["ways"]["per_metric"]
        print(
            f"  one query per metric: {asked['queries']} queries by {PER_METRIC_CUT} took {asked['seconds']:.2f} s; "
            f"shown times {_CUTS} for the total and five dimensions"
        )
    for way in ("product", "hand"):
        if way in found["ways"]:
            scans = found["ways"][way]["scans"]
            print(f"  scans by {LABELS[way]}: " + ", ".join(f"{table} {times}" for table, times in scans.items()))
    for way, reason in found["failed"].items():
        print(f"  {LABELS[way]} failed: {reason}")
    for way, names in found["lacking"].items():
        print(f"  {LABELS[way]} has no {', '.join(names)}")
    for way, comparison in compared.items():
        for each in comparison.examples:
            cut = f"{each.dimension} {each.dimension_value}".strip()
            print(f"  {way}: {each.metric} {each.month} {cut}: {each.left} / {each.right}")


def _verdict(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    if comparison.agrees:
        return f"{comparison.equal:,} equal"
    missing = comparison.only_left + comparison.only_right
    return f"{comparison.different:,} DIFFER, {missing:,} missing, {comparison.equal:,} equal"


def _print_growth(growth: Sequence[dict[str, Any]]) -> None:
    for step in growth:
        heading = f"{step['rows']:.1f} times the rows: times as long by clock (by cores)"
        print(f"\nfrom scale {step['from']:g} to {step['to']:g}, {heading}")
        for way, times in step["times"].items():
            print(f"  {LABELS[way]:30}{times['seconds']:>7.1f} ({times['cpu_seconds']:.1f})")
