"""`revgauge gaps`: what can be computed, what cannot, and what would have to be supplied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from revgauge.catalogue.gaps import Finding, Gap, Status
from revgauge.cli.terminal import Column, Format, prose, say, table, write, write_csv, write_json
from revgauge.workspace import Workspace

STATUSES: tuple[Status, ...] = ("not computable", "partial", "computable")
SHAPES: dict[Status, str] = {"computable": "●", "partial": "◐", "not computable": "○"}
"""A mark beside the word, never instead of it."""


def gaps(project: Workspace, *, form: Format) -> int:
    """Print the status of every metric and what is missing; the exit code."""
    findings = sorted(project.gaps(), key=lambda finding: STATUSES.index(finding.status))
    for quote in project.quote_gaps():
        say(f"exchange rates: {quote.sentence()}")
    if form == "json":
        write_json([_json(finding) for finding in findings])
    elif form == "csv":
        write_csv(*_csv(findings))
    else:
        _write(findings)
    return 0


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "metric": finding.metric.name,
        "label": finding.metric.label,
        "status": finding.status,
        "reason": finding.reason or None,
        "share_affected": finding.affected,
        "gaps": [
            {
                "entity": gap.entity,
                "field": gap.field,
                "rows": gap.rows,
                "rows_lacking": gap.lacking,
                "share": gap.share,
                "what_to_do": gap.sentence(),
            }
            for gap in distinct(finding)
        ],
    }


def _csv(findings: Sequence[Finding]) -> tuple[list[str], list[list[Any]]]:
    header = ["metric", "status", "entity", "field", "rows", "rows_lacking", "share", "what_to_do"]
    rows: list[list[Any]] = []
    for finding in findings:
        for gap in distinct(finding):
            facts = [gap.entity, gap.field, gap.rows, gap.lacking, round(gap.share, 6), gap.sentence()]
            rows.append([finding.metric.name, finding.status, *facts])
        if not finding.gaps:
            rows.append([finding.metric.name, finding.status, *[None] * 6])
    return header, rows


def in_short(findings: Sequence[Finding]) -> str:
    """How many metrics have which status, in a sentence."""
    counts = [(status, status_counts(findings)[status]) for status in reversed(STATUSES)]
    return f"{len(findings)} metrics: " + ", ".join(
        f"{SHAPES[status]} {number} {status}" for status, number in counts if number
    )


def status_counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many metrics have which status."""
    return {status: sum(finding.status == status for finding in findings) for status in reversed(STATUSES)}


def distinct(finding: Finding) -> tuple[Gap, ...]:
    """The gaps of a metric, each once: an entity that is absent is wanted for several of its fields."""
    return tuple(dict.fromkeys(finding.gaps))


def blocking(findings: Sequence[Finding]) -> list[tuple[Gap, int]]:
    """Everything that is missing, with the number of metrics that lack it, the most wanted first."""
    wanted: dict[Gap, int] = {}
    for finding in findings:
        for gap in distinct(finding):
            wanted[gap] = wanted.get(gap, 0) + 1
    return sorted(wanted.items(), key=lambda pair: (-pair[0].share, -pair[1], pair[0].name))


def _write(findings: Sequence[Finding]) -> None:
    lacking = [finding for finding in findings if finding.status != "computable"]
    if lacking:
        columns = [Column("metric"), Column("status"), Column("share", right=True), Column("missing", wraps=True)]
        table(columns, [_row(finding) for finding in lacking])
        write()
        write("What is missing, and what to do\n")
        lines = [(str(number), gap.sentence()) for gap, number in blocking(findings)]
        table([Column("metrics", right=True), Column("gap", wraps=True)], lines)
        write()
    if complete := [finding.metric.name for finding in findings if finding.status == "computable"]:
        prose(f"● Computable without gaps: {', '.join(complete)}.")
        write()
    write(in_short(findings))


def _row(finding: Finding) -> tuple[str, str, str, str]:
    missing = ", ".join(gap.name for gap in distinct(finding))
    share = f"{finding.affected:.0%}" if finding.affected >= 0.005 else "<1%"
    return finding.metric.name, f"{SHAPES[finding.status]} {finding.status}", share, missing
