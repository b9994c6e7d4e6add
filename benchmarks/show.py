"""What was measured, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.compare import Comparison
from benchmarks.latency import asking
from benchmarks.summary import CUTS, SIDES, whole
from benchmarks.ways import PER_METRIC_CUT

LABELS = {
    "product": "revgauge build",
    "product_first": "revgauge build, the first",
    "hand": "SQL by hand, shared scans",
    "per_metric": "one query per metric and cut",
    "product_postgresql": "revgauge build on PostgreSQL",
    "product_spark": "revgauge build on Spark",
    "hand_movements": "MRR movements, SQL by hand",
    "polars_movements": "MRR movements, polars",
    "pandas_movements": "MRR movements, pandas",
    "catalogue": "revgauge build of all metrics",
    "third": "revgauge build of a third of them",
    "hand_third": "that third, SQL by hand",
}

_ENTITIES = ("accounts", "subscription_periods", "leads", "opportunities", "opportunity_history", "tickets")
BESIDE = ("contracts", "invoices", "payments", "touchpoints", "expenses")
"""What the store of the whole catalogue holds beside these."""


def scale(found: Mapping[str, Any], compared: Mapping[str, Comparison]) -> None:
    """Everything of one scale."""
    rows = found["rows"]
    print(f"\nscale {found['scale']:g}: {listed(rows, _ENTITIES)}")
    if whole_rows := found.get("whole_rows"):
        print(f"for all metrics {listed(whole_rows, BESIDE)} beside them")
    heading = f"{'':34}{'seconds':>9}{'of cores':>9}  {'each run':24}{'peak MiB':>9}{'scans':>7}"
    print(f"{heading}   {'times as long as, by clock (by cores)':42}figures")
    for way, its in found["ways"].items():
        runs = " ".join(f"{each:.2f}" for each in its["all_seconds"])
        scans = its["scans_in_all"] * (CUTS if "seconds_for_all_cuts" in its else 1)
        line = f"{LABELS[way]:34}{whole(its, 'seconds'):>9.2f}{whole(its, 'cpu_seconds'):>9.2f}  {runs:24}"
        line += f"{its['peak_mib']:>9,}{scans or '':>7}"
        other = SIDES.get(way, "")
        ratio = found["ratios"].get(f"{way} / {other}")
        beside = f"{ratio['seconds']:.2f} ({ratio['cpu_seconds']:.2f}) {LABELS[other]}" if ratio else ""
        print(f"{line}   {beside:42}{_verdict(compared.get(way))}")
    if "per_metric" in found["ways"]:
        asked = found["ways"]["per_metric"]
        print(
            f"  one query per metric: {asked['queries']} queries by {PER_METRIC_CUT} took {asked['seconds']:.2f} s; "
            f"shown times {CUTS} for the total and five dimensions"
        )
    for way in ("product", "hand"):
        if scans := found["ways"].get(way, {}).get("scans"):
            print(f"  scans by {LABELS[way]}: " + ", ".join(f"{table} {times}" for table, times in scans.items()))
    for way, reason in found["failed"].items():
        print(f"  {LABELS[way]} failed: {reason}")
    for way, names in found["lacking"].items():
        print(f"  {LABELS[way]} has no {', '.join(names)}")
    for way, comparison in compared.items():
        for each in comparison.examples:
            cut = f"{each.dimension} {each.dimension_value}".strip()
            print(f"  {way}: {each.metric} {each.month} {cut}: {each.left} / {each.right}")


def listed(rows: Mapping[str, int], names: Sequence[str]) -> str:
    """How many rows there are of some entities."""
    return ", ".join(f"{rows[name]:,} {name.replace('_', ' ')}" for name in names)


def _verdict(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    if comparison.agrees:
        return f"{comparison.equal:,} equal"
    missing = comparison.only_left + comparison.only_right
    return f"{comparison.different:,} DIFFER, {missing:,} missing, {comparison.equal:,} equal"


def growth(steps: Sequence[Mapping[str, Any]]) -> None:
    """How the times grow from scale to scale."""
    for step in steps:
        heading = f"{step['rows']:.1f} times the rows: times as long by clock (by cores)"
        print(f"\nfrom scale {step['from']:g} to {step['to']:g}, {heading}")
        for way, times in step["times"].items():
            print(f"  {LABELS[way]:34}{times['seconds']:>7.1f} ({times['cpu_seconds']:.1f})")


def latency(found: Mapping[str, Any]) -> None:
    """How long one question takes."""
    print(f"\none question at scale {found['scale']:g}: milliseconds for the first answer, and for the next ones")
    for way, its in found["ways"].items():
        print(f"  {asking.LABELS[way]:45}{1000 * its['first']:>9.1f}{1000 * its['again']:>9.1f}")
    for way, reason in found["failed"].items():
        print(f"  {asking.LABELS[way]} failed: {reason}")
    for way, its in found["figures"].items():
        if its["different"] or its["only_left"] or its["only_right"]:
            print(f"  {asking.LABELS[way]} gives other numbers: {its['examples']}")
