"""Load: every source of a project into the entity store, in one step that a reader sees whole or not at all.

A source is loaded whole or not at all: where a file is damaged, a setting is missing or the mapping is wrong, what was
loaded from it before stays. Within a source single bad rows are left out and listed, and the others load.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from revgauge.model.store import HOME, StoreError, literal, overflow_folder, project_lock, replacing_store
from revgauge.sources.expressions import MACROS
from revgauge.sources.mapping import Mapping, read_mapping
from revgauge.sources.one_source import Progress, read_source
from revgauge.sources.outcome import LoadReport, Outcome
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.publishing import publish
from revgauge.sources.yaml_text import read_yaml


def load(
    project: Path,
    *,
    loaded_at: datetime,
    progress: Progress | None = None,
    allow_shrink: bool = False,
    command: str = "load",
    time_zone: str | None = None,
) -> LoadReport:
    """Load every source of the project.

    `loaded_at` is the moment that the load is recorded under; one without a zone is taken as UTC. `allow_shrink` lets a
    source bring far fewer rows than the last time. `time_zone` is the reporting time zone; left out, the project's.

    Raises ProjectBusyError when another process holds the project, StoreError when the store cannot be written. What
    is wrong with files, mappings and rows is not raised but reported.
    """
    say = progress or (lambda _: None)
    moment = loaded_at.astimezone(UTC).replace(tzinfo=None) if loaded_at.tzinfo else loaded_at
    with project_lock(project, command, loaded_at), _clear_disk_errors(project), _scratch(project) as connection:
        zone = time_zone or _project_zone(project)
        outcomes = _read_mappings(project)
        report = LoadReport(loaded_at)
        with replacing_store(project, connection):
            feeding = _feeding(outcomes)
            for outcome in outcomes:
                if not outcome.refused:
                    read_source(connection, project, outcome, zone, moment, feeding, allow_shrink=allow_shrink, say=say)
            say("writing")
            publish(connection, outcomes, moment, report)
        return report


@contextmanager
def _scratch(project: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private database in memory that spills into the project's own folder."""
    spill = overflow_folder(project / HOME)
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(f"SET temp_directory = {literal(spill)}")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET autoinstall_known_extensions = false")
        for macro in MACROS:
            connection.execute(macro)
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


@contextmanager
def _clear_disk_errors(project: Path) -> Iterator[None]:
    """Say in a sentence what a full or read-only disk, or too little memory, means."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise StoreError(
            f"there is too little memory for this load ({str(error).splitlines()[0]}). Close other programs, or "
            "load fewer files at once."
        ) from error
    except (OSError, duckdb.IOException) as error:
        full = (
            getattr(error, "errno", None) == errno.ENOSPC
            or "No space left" in str(error)
            or "disk" in str(error).lower()
        )
        free = shutil.disk_usage(project).free
        reason = f"{project / HOME} cannot be written ({str(error).splitlines()[0]})"
        hint = f" {free / 1e6:,.1f} MB are free there; make room and load again." if full else ""
        raise StoreError(f"{reason}.{hint} What was loaded before is untouched.") from error


def _project_zone(project: Path) -> str:
    """The reporting time zone of the project's settings; UTC where none is stated."""
    path = project / "revgauge.yml"
    if not path.exists():
        return "UTC"
    data = read_yaml(path, path.name).data
    zone = data.get("time_zone") if isinstance(data, dict) else None
    return str(zone) if zone else "UTC"


def _read_mappings(project: Path) -> list[Outcome]:
    """Every file in `sources/`, checked; one with mistakes becomes a refused source."""
    outcomes: list[Outcome] = []
    for path in sorted((project / "sources").glob("*.y*ml")):
        name = str(path.relative_to(project))
        try:
            mapping = read_mapping(path, name)
        except RefusedError as error:
            outcomes.append(Outcome(_named_source(path), None, problems=list(error.problems), refused=True))
            continue
        if mapping is None:
            notice = Problem(
                name, "defines_nothing", "the file defines nothing", "Fill it or remove it.", severity="notice"
            )
            outcomes.append(Outcome(path.stem, None, problems=[notice]))
            continue
        outcome = Outcome(mapping.source.source, mapping, problems=list(mapping.notices))
        for other in outcomes:
            if other.source == outcome.source and other.mapping is not None:
                reason = f"the source `{outcome.source}` is also defined in {other.mapping.file}"
                outcome.problems.append(
                    Problem(name, "repeated_source", reason, "Rename one of them.", row=mapping.line("source"))
                )
                outcome.refused = True
        outcomes.append(outcome)
    if not outcomes:
        reason = "there is no mapping in the folder `sources`"
        problem = Problem(
            "sources", "no_sources", reason, "Run `revgauge init` to propose one from the files that are there."
        )
        outcomes.append(Outcome("sources", None, problems=[problem], refused=True))
    return outcomes


def _named_source(path: Path) -> str:
    """The name that a broken file gives its source, as far as it can be told."""
    found = re.search(
        r"^source:\s*([a-z][a-z0-9_]*)\s*$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
    )
    return found[1] if found else path.stem


def _feeding(outcomes: list[Outcome]) -> dict[str, list[Mapping]]:
    """Entity: the sources that fill it."""
    feeding: dict[str, list[Mapping]] = {}
    for outcome in outcomes:
        if outcome.mapping is not None:
            for name in outcome.mapping.source.entities:
                feeding.setdefault(name, []).append(outcome.mapping)
    return feeding
