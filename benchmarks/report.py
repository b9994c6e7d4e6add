"""Writes what was measured from `results.json` into `docs/explanation/performance.md`, between two marks.

`python -m benchmarks.report`; a test checks that the page says what the file says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.hand_sql import THIRD
from benchmarks.latency import asking
from benchmarks.processes import ROOT
from benchmarks.ratio import BOUND, GOAL, GOAL_SCALE
from benchmarks.ratio import SCALE as BOUND_SCALE
from benchmarks.show import BESIDE, LABELS, listed
from benchmarks.summary import CUTS, SIDES, whole
from benchmarks.ways import PER_METRIC_CUT

PAGE = ROOT / "docs" / "explanation" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results.json"

BEGIN = "<!-- written by `python -m benchmarks.report` from benchmarks/results.json -->"
END = "<!-- up to here -->"

_NONE = ""


def write(page: Path = PAGE, results: Path = RESULTS) -> Path:
    """Put the measured part into the page; returns the page."""
    page.write_text(filled(page.read_text(encoding="utf-8"), read(results)), encoding="utf-8")
    return page


def read(results: Path = RESULTS) -> dict[str, Any]:
    """What was measured last."""
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return found


def filled(text: str, results: Mapping[str, Any]) -> str:
    """The text of the page with its measured part from these results; ValueError if it has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{measured(results)}\n\n{END}{after}"


def measured(results: Mapping[str, Any]) -> str:
    """Everything measured, as Markdown."""
    parts = [_machine(results), *map(_scale, results["scales"]), _goal(results), _whole(results), _growth(results)]
    if "latency" in results:
        parts.append(_latency(results["latency"]))
    return "\n\n".join(part for part in parts if part)


def _machine(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    limit = results.get("memory_limit")
    held = f" DuckDB was told to hold no more than {limit} before it spills to disk." if limit else ""
    return (
        f"Measured on {results['measured_at'][:10]} on {machine['cores']} cores ({machine['processor']}) with "
        f"{machine['memory_gib']:g} GiB, {machine['system']}; {versions}. Medians; how many runs there were is in the "
        f"tables.{held}"
    )


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def _scale(found: Mapping[str, Any]) -> str:
    rows = found["rows"]
    named = ("accounts", "subscription_periods", "leads", "opportunities", "opportunity_history")
    sizes = [f"{listed(rows, named)}; {sum(rows.values()):,} rows in all."]
    if beside := found.get("whole_rows"):
        sizes.append(f"For all metrics {listed(beside, BESIDE)} beside them; {sum(beside.values()):,} rows in all.")
    heads = ("way", "runs", "seconds", "of all cores", "compared", "peak memory", "reads", "figures that agree")
    parts = [
        f"### Scale {found['scale']:g}",
        " ".join(sizes),
        _table(heads, (_way(way, found) for way in found["ways"])),
    ]
    if asked := found["ways"].get("per_metric"):
        parts.append(
            f"One query per metric and cut: {asked['queries']} queries along one cut ({PER_METRIC_CUT}) took "
            f"{_seconds(asked['seconds'])} seconds; the table shows that times {CUTS}."
        )
    parts += [f"{LABELS[way]} failed: {reason}." for way, reason in found["failed"].items()]
    return "\n\n".join(parts)


def _way(way: str, found: Mapping[str, Any]) -> Sequence[str]:
    its = found["ways"][way]
    other = SIDES.get(way, "")
    ratio = found["ratios"].get(f"{way} / {other}")
    figures = found["figures"].get(way)
    scans = its["scans_in_all"] * (CUTS if way == "per_metric" else 1)
    return (
        LABELS[way],
        str(len(its["all_seconds"])),
        _seconds(whole(its, "seconds")),
        _seconds(whole(its, "cpu_seconds")),
        f"{ratio['cpu_seconds']:.2f} times {LABELS[other]}" if ratio else _NONE,
        f"{its['peak_mib'] / 1024:.1f} GiB",
        f"{scans:,}" if scans else _NONE,
        _agreement(figures),
    )


def _agreement(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return _NONE
    wrong = figures["different"] + figures["only_left"] + figures["only_right"]
    return f"{figures['equal']:,} of {figures['equal'] + wrong:,}"


def _seconds(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"


def _goal(results: Mapping[str, Any]) -> str:
    ratio = {
        found["scale"]: found["ratios"]["product / hand"]["cpu_seconds"]
        for found in results["scales"]
        if "product / hand" in found["ratios"]
    }
    if GOAL_SCALE not in ratio:
        return ""
    met = "met" if ratio[GOAL_SCALE] <= GOAL else "not met"
    return (
        f"The goal is that the build takes at most {GOAL:g} times as long as the SQL by hand at scale "
        f"{GOAL_SCALE:g}. It takes {ratio[GOAL_SCALE]:.2f} times as long{_first(results)}: the goal is {met}. A test "
        f"fails when the ratio of the first build at scale {BOUND_SCALE:g} gets above {BOUND:g} (`benchmarks/ratio.py` "
        "says why that)."
    )


def _first(results: Mapping[str, Any]) -> str:
    """What the first build takes, where it was measured."""
    (found,) = [each for each in results["scales"] if each["scale"] == GOAL_SCALE]
    ratio = found["ratios"].get("product_first / hand")
    return f" ({ratio['cpu_seconds']:.2f} the first build, which has to write its queries)" if ratio else ""


def _whole(results: Mapping[str, Any]) -> str:
    """What all metrics take beside a third of them by hand, at the largest scale that has both."""
    found = [each for each in results["scales"] if "catalogue / hand_third" in each["ratios"]]
    if not found:
        return ""
    largest = found[-1]
    built = largest["ways"]["catalogue"]
    alone = largest["ratios"].get("third / hand_third")
    asked = f"; asked for that third alone, {alone['cpu_seconds']:.2f} times" if alone else ""
    dearest = list(dict.fromkeys(step["name"] for step in built["dearest"]))
    return (
        f"At scale {largest['scale']:g} the build of all {built['metrics']} metrics takes "
        f"{largest['ratios']['catalogue / hand_third']['cpu_seconds']:.2f} times as long as the SQL by hand for "
        f"{sum(len(family.metrics) for family in THIRD)} of them{asked}. Its dearest steps are "
        f"{', '.join(f'`{name}`' for name in dearest)}."
    )


def _growth(results: Mapping[str, Any]) -> str:
    steps = results["growth"]
    if not steps:
        return ""
    ways = [way for way in LABELS if any(way in step["times"] for step in steps)]
    heads = ("way", *(f"from {step['from']:g} to {step['to']:g}" for step in steps))

    def rows() -> Iterator[Sequence[str]]:
        yield ("rows", *(f"{step['rows']:.1f}" for step in steps))
        for way in ways:
            times = (step["times"].get(way) for step in steps)
            yield (LABELS[way], *(f"{each['cpu_seconds']:.1f}" if each else _NONE for each in times))

    return "\n\n".join(
        ["### Growth", "How many times as long, in seconds of all cores, beside the rows.", _table(heads, rows())]
    )


def _latency(found: Mapping[str, Any]) -> str:
    labels, ways = asking.LABELS, found["ways"]
    heads = ("way", "version", "first answer, ms", "next answers, ms", "of all cores, ms", "figures that agree")

    def rows() -> Iterator[Sequence[str]]:
        for way, its in ways.items():
            times = (f"{1000 * its[name]:,.1f}" for name in ("first", "again", "again_cpu"))
            agreement = _agreement(found["figures"].get(way))
            yield (labels[way], its.get("version", _NONE), *times, agreement)

    parts = [
        "### One question",
        f"Leads created by month and direction at scale {found['scale']:g}; {found['times']} next answers.",
        _table(heads, rows()),
    ]
    parts += [f"{labels[way]} was left out: {reason}." for way, reason in found["failed"].items()]
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(f"written to {write()}")
