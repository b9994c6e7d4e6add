"""`load`, `build` and `run`: work that changes the project, told in a few lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from revgauge.cli import plan
from revgauge.cli.asking import tell_mistakes
from revgauge.cli.failures import DATA_WRONG, GOOD
from revgauge.cli.missing import in_short, status_counts
from revgauge.cli.terminal import counted, progress, prose, write, write_json
from revgauge.sources.outcome import LoadReport
from revgauge.sources.problems import Problem
from revgauge.workspace import BuildReport, Workspace

Form = Literal["table", "json"]
Progress = Callable[[str], None]


def load(project: Workspace, *, form: Form, allow_shrink: bool) -> int:
    """Read the sources and print what became of their rows; 1 if a source could not be used."""
    report = _loaded(project, allow_shrink=allow_shrink)
    if form == "json":
        write_json(_load_json(report))
    else:
        write(report.text())
    return GOOD if report.ok else DATA_WRONG


def build(project: Workspace, *, form: Form, explain: bool = False) -> int:
    """Compute and publish every value, and tell how on request; 1 if a definition of the project has mistakes."""
    wrong = tell_mistakes(project)
    with progress() as tell:
        report = project.build(tell)
    if form == "json":
        write_json(_build_json(report, wrong) | ({"steps": plan.as_json(report.steps)} if explain else {}))
        return DATA_WRONG if wrong else GOOD
    _write_build(report)
    if explain:
        write()
        plan.write_plan(report.steps)
    return DATA_WRONG if wrong else GOOD


def run(project: Workspace, *, form: Form, allow_shrink: bool) -> int:
    """Load, look for gaps, build: 1 if a source could not be used or a definition has mistakes."""
    began = time.monotonic()
    wrong = tell_mistakes(project)
    loaded = _loaded(project, allow_shrink=allow_shrink)
    with progress() as tell:
        tell("looking for gaps")
        findings = project.gaps()
        built = project.build(tell)
    if form == "json":
        write_json({"load": _load_json(loaded), "gaps": status_counts(findings), "build": _build_json(built, wrong)})
    else:
        write(f"Loaded    {load_in_short(loaded)}")
        _tell_problems(loaded)
        write(f"Gaps      {in_short(findings)}")
        write(f"Built     {_build_in_short(built)}")
        write(f"As of     {project.now}; {time.monotonic() - began:.1f} s in all")
    return DATA_WRONG if wrong or not loaded.ok else GOOD


def _loaded(project: Workspace, *, allow_shrink: bool) -> LoadReport:
    _ = project.settings  # mistakes in the settings come before any work
    with progress() as tell:
        return project.load(allow_shrink=allow_shrink, progress=tell)


def load_in_short(report: LoadReport) -> str:
    """Rows, sources and what was left out, in a line."""
    read, left_out = (sum(getattr(part, name) for part in report.entities) for name in ("rows_read", "rows_rejected"))
    skipped = sum(part.rows_skipped for part in report.entities)
    sources = len({part.source for part in report.entities})
    kept = sum(part.rows_loaded for part in report.entities)
    if not report.entities:
        return f"nothing from {', '.join(report.refused)}"
    entities = len({part.entity for part in report.entities})
    text = f"{kept:,} of {counted(read, 'row')} into {counted(entities, 'entity', 'entities')}"
    text += f" from {counted(sources, 'source')}"
    text += f"; {left_out:,} in quarantine" if left_out else ""
    text += f"; {skipped:,} skipped" if skipped else ""
    return text + (f"; not loaded: {', '.join(report.refused)}" if report.refused else "")


def _tell_problems(report: LoadReport) -> None:
    """What kinds of problem there are, most frequent first; `load` lists them with their places."""
    if report.refused:
        for problem in report.problems:
            if problem.severity == "error" and problem.row is None:
                prose(f"error: {problem}", "          ")
    of_rows = [problem for problem in report.problems if problem.severity == "error" and problem.row is not None]
    kinds = Counter((problem.file, problem.rule) for problem in of_rows)
    for (file, rule), number in kinds.most_common(3):
        write(f"          {rule.replace('_', ' ')} in {file}: {number:,}")
    if len(kinds) > 3:
        write(
            f"          and {counted(len(kinds) - 3, 'other kind')}; `revgauge load` lists them with file, row and fix"
        )


def _write_build(report: BuildReport) -> None:
    write(f"Built {_build_in_short(report)}")
    for metric, reason in report.not_computable.items():
        prose(f"○ {metric}: {reason}", "  ")


def _build_in_short(report: BuildReport) -> str:
    lacking = f", {len(report.not_computable)} not computable" if report.not_computable else ""
    return (
        f"{report.values:,} values of {report.metrics} metrics{lacking} in {report.seconds:.1f} s ({report.build_id})"
    )


def _load_json(report: LoadReport) -> dict[str, Any]:
    return {
        "loaded_at": report.loaded_at.isoformat(),
        "entities": [asdict(part) for part in report.entities],
        "refused": report.refused,
        "counts": report.counts,
        "problems": [asdict(problem) for problem in report.problems],
    }


def _build_json(report: BuildReport, wrong: Sequence[Problem]) -> dict[str, Any]:
    return {
        "build_id": report.build_id,
        "metrics": report.metrics,
        "values": report.values,
        "not_computable": dict(report.not_computable),
        "seconds": report.seconds,
        "mistakes": [asdict(problem) for problem in wrong],
    }
