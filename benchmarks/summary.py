"""What the runs of each way come to: medians, ratios, growth, and whether the figures are the same."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.compare import Comparison, compare
from benchmarks.hand_sql import FAMILIES
from benchmarks.ways import PER_METRIC_CUT, WAYS

SIDES = {
    "product": "hand",
    "product_first": "hand",
    "per_metric": "hand",
    "product_postgresql": "product",
    "product_spark": "product",
    "polars_movements": "hand_movements",
    "pandas_movements": "hand_movements",
    "catalogue": "hand_third",
    "third": "hand_third",
}
"""Which way each one is compared with, in figures and in time."""

CUTS = len(FAMILIES[0].dimensions) + 1

TIMES = ("seconds", "cpu_seconds")


def summary(
    runs: Mapping[str, Sequence[dict[str, Any]]], scans: Mapping[str, dict[str, int]]
) -> dict[str, dict[str, Any]]:
    """For each way that was run: the medians of its times, the most memory, and its scans."""
    return {way: _of_way(way, found, scans.get(way, {})) for way, found in runs.items() if found}


def _of_way(way: str, runs: Sequence[dict[str, Any]], scans: dict[str, int]) -> dict[str, Any]:
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
        for name in TIMES:
            found[f"{name}_for_all_cuts"] = round(CUTS * found[name], 1)
    return found


def whole(found: Mapping[str, Any], name: str) -> float:
    """The time for all cuts, where only some of them were measured."""
    return float(found.get(f"{name}_for_all_cuts", found[name]))


def ratios(ways: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many times as long each way takes as the one it is compared with."""
    return {
        f"{way} / {other}": {name: round(whole(ways[way], name) / ways[other][name], 2) for name in TIMES}
        for way, other in SIDES.items()
        if way in ways and other in ways
    }


def merged(earlier: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What was found at a scale, with what an earlier run says of the ways that were not measured now."""
    now = found["ways"].keys() | found["failed"].keys()
    told = {
        name: {way: its for way, its in earlier[name].items() if way not in now} | found[name]
        for name in ("ways", "failed", "figures", "lacking")
    }
    told["ways"] = {way: told["ways"][way] for way in WAYS if way in told["ways"]}
    agrees = found["agrees"] and (earlier["agrees"] or now >= earlier["ways"].keys())
    return {**earlier, **found, **told, "ratios": ratios(told["ways"]), "agrees": agrees}


def growth(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as long each way takes from one scale to the next, beside the growth of the rows."""
    found = []
    for smaller, larger in itertools.pairwise(measured):
        times = {
            way: {name: round(larger["ways"][way][name] / smaller["ways"][way][name], 2) for name in TIMES}
            for way in larger["ways"]
            if way in smaller["ways"]
        }
        rows = sum(larger["rows"].values()) / sum(smaller["rows"].values())
        found.append({"from": smaller["scale"], "to": larger["scale"], "rows": round(rows, 2), "times": times})
    return found


def asked_of(way: str, others: pa.Table) -> pa.Table:
    """Of the other side's figures, those that this way was asked for."""
    return others.filter(pc.equal(others["dimension"], PER_METRIC_CUT)) if way == "per_metric" else others


def told_of(way: str, figures: pa.Table, others: pa.Table) -> pa.Table:
    """Of a side's own figures, those that the other one gives too: the whole catalogue has more metrics and cuts."""
    if way != "catalogue":
        return figures
    mine, theirs = (pc.binary_join_element_wise(each["metric"], each["dimension"], " ") for each in (figures, others))
    return figures.filter(pc.is_in(mine, value_set=pc.unique(theirs)))


def compared(figures: pa.Table, others: pa.Table) -> tuple[Comparison, list[str]]:
    """How the figures of two sides compare where both have the metric, and the metrics that the first has not."""
    known = pc.unique(figures["metric"])
    lacking = set(pc.unique(others["metric"]).to_pylist()) - set(known.to_pylist())
    return compare(figures, others.filter(pc.is_in(others["metric"], value_set=known))), sorted(lacking)
