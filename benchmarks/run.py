"""Runs everything side by side and writes down what came out.

`python -m benchmarks` measures at scale 0.1 and at a tenth of it. Each way works in a process of its own, one at a
time; the ways take turns, so that noise of the machine falls on all of them, and the median counts. Ratios are worth
more than seconds. What was measured is written after each scale, and at the end into `docs/explanation/performance.md`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks import report, show
from benchmarks.engines import postgresql_server
from benchmarks.latency import asking
from benchmarks.machine import describe
from benchmarks.processes import ROOT, Failed, Runner, figures, rows_of
from benchmarks.summary import SIDES, asked_of, compared, growth, merged, ratios, summary, told_of
from benchmarks.ways import COUNTED, WAYS, WHOLE

RESULTS = ROOT / "benchmarks" / "results.json"
DATA = ROOT / "build" / "benchmarks"
"""On the disk of the project: where the system keeps temporary files may be memory."""

ONCE = frozenset({"per_metric"})
"""What takes so long that it is measured once at a scale."""

UP_TO = {"per_metric": 0.1, "product_postgresql": 0.01, "product_spark": 0.01} | dict.fromkeys(WHOLE, 0.1)
"""The largest scale at which a way is measured, where that is not every scale."""

LARGE = 0.5
"""From this scale on there are fewer turns."""

SMALL = 0.001
"""The scale at which scans are counted."""

LATENCY_AT = 0.1
"""The largest scale at which one question is timed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write the results; 1 if figures differ or a way failed."""
    options = _options(arguments)
    scales = sorted(options.scales or {options.scale, options.scale / 10})
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "repeats": options.repeats,
        "memory_limit": options.memory_limit,
        **_known(options),
    }
    skipped: list[float] = []
    with contextlib.ExitStack() as stack:
        runner = Runner(options.memory_limit, options.patience)
        runner, missing = _with_server(runner, options, scales, stack)
        scans = _all_scans(runner, options)
        for scale in scales:
            try:
                found = _at(scale, runner, options, scans, missing)
            except Failed as error:  # its store could not be written; what the others gave is kept
                print(f"scale {scale:g} failed: {error}")
                skipped.append(scale)
                continue
            earlier = [each for each in results["scales"] if each["scale"] == scale]
            found = merged(earlier[0], found) if earlier else found
            others = [each for each in results["scales"] if each["scale"] != scale]
            results["scales"] = sorted([*others, found], key=itemgetter("scale"))
            results["growth"] = growth(results["scales"])
            _write(options.results, results)
    show.growth(results["growth"])
    if options.latency:
        results["latency"] = _latency(scales, options)
        _write(options.results, results)
        show.latency(results["latency"])
    print(f"\nwritten to {options.results}")
    if options.results == RESULTS:
        print(f"written to {report.write()}")
    every = [*results["scales"], *([results["latency"]] if options.latency else [])]
    good = all(found["agrees"] and not found["failed"] for found in every)
    return 0 if good and not skipped else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="1.0 is 1 M accounts and 10 M subscription periods")
    parser.add_argument("--scales", type=float, nargs="+", help="several scales, to see the growth")
    parser.add_argument("--repeats", type=int, default=3, help="how often each way is measured; the median counts")
    parser.add_argument("--large-repeats", type=int, default=1, help=f"the same from scale {LARGE:g} on")
    parser.add_argument("--memory-limit", default="6GiB", help="what DuckDB may hold; Spark's memory")
    parser.add_argument("--patience", type=float, default=7200, help="seconds after which a measurement is given up")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--latency", nargs="*", choices=asking.LABELS, default=list(asking.LABELS))
    parser.add_argument("--data", type=Path, default=DATA, help="for stores and for what is spilled")
    parser.add_argument("--reuse", action="store_true", help="take stores that are there already")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--add", action="store_true", help="keep what the results say of scales and ways not measured now"
    )
    return parser.parse_args(arguments)


def _known(options: argparse.Namespace) -> dict[str, Any]:
    """What the results keep of an earlier run, if they are added to."""
    empty: dict[str, Any] = {"scales": [], "growth": []}
    if not options.add or not options.results.exists():
        return empty
    earlier = report.read(options.results)
    return empty | {name: earlier[name] for name in ("scales", "growth", "latency") if name in earlier}


def _measured(way: str, scale: float) -> bool:
    return scale <= UP_TO.get(way, scale)


def _with_server(
    runner: Runner, options: argparse.Namespace, scales: Sequence[float], stack: contextlib.ExitStack
) -> tuple[Runner, dict[str, str]]:
    """The runner with the address of a PostgreSQL server, if one is needed; or why there is none."""
    way = "product_postgresql"
    if way not in options.ways or not any(_measured(way, scale) for scale in scales):
        return runner, {}
    try:
        return replace(runner, environment=stack.enter_context(postgresql_server())), {}
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return runner, {way: str(error)}


def _store(scale: float, options: argparse.Namespace, way: str = "") -> Path:
    path: Path = options.data / f"scale-{scale:g}{'.whole' if way in WHOLE else ''}.duckdb"
    return path


def _generated(scale: float, runner: Runner, options: argparse.Namespace, way: str = "") -> dict[str, int]:
    store = _store(scale, options, way)
    if options.reuse and store.exists():
        return rows_of(store)
    print(f"\nscale {scale:g}: generating {store.name}", flush=True)
    return runner.generate(scale, store, "generate_whole" if way in WHOLE else "generate")


def _generated_for(ways: Iterable[str], scale: float, runner: Runner, options: argparse.Namespace) -> dict[str, Any]:
    """The stores that some ways need, and what is told of their rows."""
    found = {"rows": _generated(scale, runner, options)}
    whole = next((way for way in ways if way in WHOLE), None)
    return found if whole is None else {**found, "whole_rows": _generated(scale, runner, options, whole)}


def _all_scans(runner: Runner, options: argparse.Namespace) -> dict[str, dict[str, int]]:
    """How often each way reads each table; the plans are the same at every scale, so a small store will do."""
    counted = [way for way in options.ways if way in COUNTED]
    _generated_for(counted, SMALL, runner, options)
    found = {}
    for way in counted:
        with contextlib.suppress(Failed):  # the measurement says what is wrong with it
            found[way] = runner.run(way, _store(SMALL, options, way), "--scans")
    return found


def _at(
    scale: float,
    runner: Runner,
    options: argparse.Namespace,
    scans: dict[str, dict[str, int]],
    missing: dict[str, str],
) -> dict[str, Any]:
    ways = [way for way in options.ways if _measured(way, scale)]
    rows = _generated_for(ways, scale, runner, options)
    failed = {way: reason for way, reason in missing.items() if way in ways}
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for turn in range(options.repeats if scale < LARGE else options.large_repeats):
        for way in ways:
            if way in failed or (way in ONCE and turn):
                continue
            print(f"  {show.LABELS[way]}", end=" ", flush=True)
            try:
                runs[way].append(runner.run(way, _store(scale, options, way)))
                print(f"{runs[way][-1]['seconds']:.1f} s")
            except Failed as error:
                failed[way] = str(error)
                print(f"failed: {error}")
    found = summary({way: each for way, each in runs.items() if way not in failed}, scans)
    comparisons, lacking = {}, {}
    for way, other in SIDES.items():
        if way in found and other in found:
            store = _store(scale, options, way)
            theirs = asked_of(way, figures(other, store))
            comparisons[way], lacking[way] = compared(told_of(way, figures(way, store), theirs), theirs)
    measured = {
        "scale": scale,
        **rows,
        "ways": found,
        "failed": failed,
        "ratios": ratios(found),
        "figures": {way: asdict(comparison) for way, comparison in comparisons.items()},
        "lacking": {way: names for way, names in lacking.items() if names},
        "agrees": all(comparison.agrees for comparison in comparisons.values()) and not any(lacking.values()),
    }
    show.scale(measured, comparisons)
    return measured


def _latency(scales: Sequence[float], options: argparse.Namespace) -> dict[str, Any]:
    """One question timed over the largest store that is not too large."""
    scale = max(itertools.chain([min(scales)], (each for each in scales if each <= LATENCY_AT)))
    found = asking.measure(_store(scale, options), options.latency, options.repeats)
    return {"scale": scale, "times": asking.TIMES, **found}


def _write(path: Path, results: dict[str, Any]) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
