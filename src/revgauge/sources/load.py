"""Load: every source of a project into the entity store, in one step that a reader sees whole or not at all.

A source is loaded whole or not at all: where a file is damaged, a setting is missing or the mapping is wrong, what was
loaded from it before stays. Within a source single bad rows are left out and listed, and the others load.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from revgauge.model.entities import ENTITIES
from revgauge.model.store import (
    HOME,
    SOURCE_TABLES,
    StoreError,
    create_entity_table,
    literal,
    overflow_folder,
    project_lock,
    quoted,
    replacing_store,
    tables_in,
    version_of,
)
from revgauge.sources import problems as problem_reports
from revgauge.sources.blocks import PROBLEMS, BlockGapError, BlockRows, BlockRun, SourceContext
from revgauge.sources.expressions import MACROS
from revgauge.sources.inputs import FileRead, RawInput, Scratch
from revgauge.sources.keys import EntityRows
from revgauge.sources.mapping import Mapping, read_mapping
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.rules import check_rows
from revgauge.sources.yaml_text import read_yaml

Progress = Callable[[str], None]

SHRINK_LIMIT = 0.8
"""A reload with fewer than this share of the rows of the last one is refused unless it is confirmed."""

REPORTED = 2_000
"""The most problems that a report carries; the store has all of them."""

LOOKUP = "(lookup)"
"""Stands for the entity of a file that other inputs only look things up in."""

_ERASED = "erased"


@dataclass(frozen=True, slots=True)
class EntityLoad:
    """How one entity was filled from one source."""

    source: str
    entity: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_skipped: int


@dataclass(slots=True)
class LoadReport:
    """What a load did. The same facts stand in the store, complete."""

    loaded_at: datetime
    entities: list[EntityLoad] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Sources of which nothing was loaded; what they gave before stays."""
    problems: list[Problem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Severity: how many problems there are in all."""

    @property
    def ok(self) -> bool:
        """Whether every source could be loaded, be it with rows left out."""
        return not self.refused

    def text(self) -> str:
        """The report in words, with the first problems of each kind."""
        lines = []
        for entity in self.entities:
            parts = [f"{entity.rows_loaded:,} loaded"]
            if entity.rows_rejected:
                parts.append(f"{entity.rows_rejected:,} rejected")
            if entity.rows_skipped:
                parts.append(f"{entity.rows_skipped:,} skipped")
            lines.append(f"{entity.source}: {entity.entity}: {entity.rows_read:,} rows read, {', '.join(parts)}")
        lines += [f"{source}: not loaded; what was loaded from it before stays" for source in self.refused]
        if self.problems:
            lines += ["", problem_reports.report(self.problems)]
        hidden = sum(self.counts.values()) - len(self.problems)
        if hidden > 0:
            lines.append(f"... and {hidden:,} more; all of them are in the table `quarantine`")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _FileLoad:
    """What became of the rows of one file for one entity; the last three counts add up to the first."""

    entity: str
    file: str
    content_hash: str
    read: int
    loaded: int
    rejected: int
    skipped: int


@dataclass(slots=True)
class _Outcome:
    """What a source gave: entity by entity the rows that load, and everything to be told."""

    source: str
    mapping: Mapping | None
    entities: dict[str, EntityRows] = field(default_factory=dict)
    blocks: list[BlockRows] = field(default_factory=list)
    files: list[_FileLoad] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """What concerns files and the mapping; problems of rows stand in the scratch table `problems_<source>`."""
    refused: bool = False

    def drop(self) -> None:
        """Refuse the source: nothing of it loads."""
        self.refused = True
        self.entities, self.blocks, self.files = {}, [], []


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
                    _run(connection, project, outcome, zone, moment, feeding, allow_shrink=allow_shrink, say=say)
            say("writing")
            _publish(connection, outcomes, moment, report)
        return report


# ------------------------------------------------------------------------------------------------------ preparation


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


def _read_mappings(project: Path) -> list[_Outcome]:
    """Every file in `sources/`, checked; one with mistakes becomes a refused source."""
    outcomes: list[_Outcome] = []
    for path in sorted((project / "sources").glob("*.y*ml")):
        name = str(path.relative_to(project))
        try:
            mapping = read_mapping(path, name)
        except RefusedError as error:
            outcomes.append(_Outcome(_named_source(path), None, problems=list(error.problems), refused=True))
            continue
        if mapping is None:
            notice = Problem(
                name, "defines_nothing", "the file defines nothing", "Fill it or remove it.", severity="notice"
            )
            outcomes.append(_Outcome(path.stem, None, problems=[notice]))
            continue
        outcome = _Outcome(mapping.source.source, mapping, problems=list(mapping.notices))
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
        outcomes.append(_Outcome("sources", None, problems=[problem], refused=True))
    return outcomes


def _named_source(path: Path) -> str:
    """The name that a broken file gives its source, as far as it can be told."""
    found = re.search(
        r"^source:\s*([a-z][a-z0-9_]*)\s*$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
    )
    return found[1] if found else path.stem


def _feeding(outcomes: list[_Outcome]) -> dict[str, list[Mapping]]:
    """Entity: the sources that fill it."""
    feeding: dict[str, list[Mapping]] = {}
    for outcome in outcomes:
        if outcome.mapping is not None:
            for name in outcome.mapping.source.entities:
                feeding.setdefault(name, []).append(outcome.mapping)
    return feeding


# ------------------------------------------------------------------------------------------------------ one source


def _run(
    connection: duckdb.DuckDBPyConnection,
    project: Path,
    outcome: _Outcome,
    zone: str,
    moment: datetime,
    feeding: dict[str, list[Mapping]],
    *,
    allow_shrink: bool,
    say: Progress,
) -> None:
    """Read and check one source; what goes wrong with all of it is kept in the outcome."""
    mapping = outcome.mapping
    if mapping is None:
        return
    scratch = Scratch(connection, project)
    connection.execute("DROP TABLE IF EXISTS problems")
    connection.execute(PROBLEMS)
    try:
        inputs = _read_inputs(scratch, mapping, say)

        def prefix(entity: str) -> str | None:
            sources = feeding.get(entity, [])
            shared = len(sources) > 1 and mapping in sources and not mapping.source.master
            return mapping.source.source if shared else None

        _run_blocks(outcome, SourceContext(scratch, mapping, inputs, zone, prefix), moment, say)
        for read in scratch.files:
            outcome.problems.extend(read.problems)
        for name, rows in outcome.entities.items():
            connection.execute(
                f"CREATE TABLE {quoted(f'final_{outcome.source}_{name}')} AS "
                f"SELECT {', '.join(map(quoted, rows.fields))} FROM {rows.table}"
            )
        if not allow_shrink:
            _guard_shrinking(connection, outcome)
        outcome.files = _count_files(connection, outcome, scratch.files)
        _name_problems(connection, outcome, scratch.files)
    except RefusedError as error:
        outcome.refused = True
        outcome.drop()
        outcome.problems.extend(error.problems)
    finally:
        scratch.clear()


def _read_inputs(scratch: Scratch, mapping: Mapping, say: Progress) -> dict[str, RawInput]:
    inputs: dict[str, RawInput] = {}
    problems: list[Problem] = []
    unsafe = False
    for name in (*mapping.source.files, *mapping.source.tables):
        say(f"{mapping.source.source}: reading {name}")
        try:
            if name in mapping.source.files:
                inputs[name] = scratch.read_files(name, mapping.source.files[name])
            else:
                inputs[name] = scratch.read_table(name, mapping.source.tables[name])
        except RefusedError as error:
            unsafe = unsafe or error.unsafe
            problems.extend(_absent_table(mapping, name, found) for found in error.problems)
    needed = {
        name for blocks in mapping.source.entities.values() for block in blocks for name in _inputs_of(block, mapping)
    }
    fatal = [problem for problem in problems if problem.severity == "error"]
    if fatal:
        raise RefusedError(problems, unsafe=unsafe)
    missing = needed - inputs.keys()
    if problems and missing:
        for read in problems:
            scratch.new_file(read.file, None, "", set()).problems.append(read)
    return inputs


def _inputs_of(block: object, mapping: Mapping) -> list[str]:
    given = getattr(block, "from_", None) or [*mapping.source.files, *mapping.source.tables]
    return [*given, *(join.with_ for join in getattr(block, "join", []))]


def _absent_table(mapping: Mapping, name: str, problem: Problem) -> Problem:
    """A table that is not there is a gap where the mapping is a template for whatever a team has."""
    gap = mapping.source.absent_columns == "gap" and problem.rule in {"no_such_file", "unreadable"}
    if not gap:
        return problem
    return replace(problem, rule="data_gap", severity="warning", fix=f"Entities filled from `{name}` stay unloaded.")


def _run_blocks(outcome: _Outcome, context: SourceContext, moment: datetime, say: Progress) -> None:
    """Make and settle the rows of every entity of a source."""
    scratch, mapping, inputs = context.scratch, context.mapping, context.inputs
    refusals: list[Problem] = []
    erased = _erased_hashes(scratch.project)
    number = 0
    for name, blocks in mapping.source.entities.items():
        entity = ENTITIES[name]
        say(f"{mapping.source.source}: {name}")
        made: list[BlockRows] = []
        for place, block in enumerate(blocks):
            needed = (
                block.from_ or list(inputs) if mapping.source.absent_columns == "gap" else _inputs_of(block, mapping)
            )
            if not set(needed) <= inputs.keys():
                continue  # told as a gap when the input was read
            number += 1
            try:
                rows = BlockRun(context, entity, block, number, place).run()
            except BlockGapError as error:
                outcome.problems.extend(error.problems)
                continue
            except RefusedError as error:
                refusals.extend(error.problems)
                continue
            except LookupError as error:
                line = mapping.line("entities", name)
                refusals.append(
                    Problem(
                        mapping.file,
                        "absent_column",
                        f"{name}: there is no column {error}",
                        "Correct the lookup.",
                        row=line,
                    )
                )
                continue
            check_rows(scratch.connection, rows, moment)
            _leave_out_erased(scratch.connection, rows, erased)
            outcome.problems.extend(rows.gaps)
            made.append(rows)
        if made and not refusals:
            settled = EntityRows(scratch.connection, entity, made)
            settled.settle()
            outcome.entities[name] = settled
            outcome.blocks.extend(made)
    if refusals:
        for read in scratch.files:
            refusals.extend(read.problems)
        raise RefusedError(refusals)


def _guard_shrinking(connection: duckdb.DuckDBPyConnection, outcome: _Outcome) -> None:
    """Refuse a source that suddenly brings far fewer rows than the last time."""
    if "file_loads" not in tables_in(connection, "old"):
        return
    problems = []
    for name in outcome.entities:
        before = _number(
            connection,
            f"SELECT sum(rows_loaded) FROM old.file_loads WHERE source = {literal(outcome.source)} AND entity = "
            f"{literal(name)}",
        )
        now = _number(connection, f"SELECT count(*) FROM {quoted(f'final_{outcome.source}_{name}')}")
        if now < before * SHRINK_LIMIT:
            problems.append(
                Problem(
                    outcome.mapping.file if outcome.mapping else outcome.source,
                    "shrunk",
                    f"{name} has {now:,} rows now and had {before:,} at the last load, {1 - now / before:.0%} fewer",
                    "If that is right, load with --allow-shrink; else look whether the export is complete.",
                )
            )
    if problems:
        raise RefusedError(problems)


def _count_files(connection: duckdb.DuckDBPyConnection, outcome: _Outcome, files: list[FileRead]) -> list[_FileLoad]:
    """For every file and entity: every row read was loaded, rejected or skipped."""
    counted: list[_FileLoad] = []
    used: set[int] = set()
    for block in outcome.blocks:
        view = outcome.entities[block.entity.name].table
        loaded = dict(
            connection.execute(
                f"SELECT _file, count(*) FROM {view} WHERE _block = {block.number} GROUP BY _file"
            ).fetchall()
        )
        marked = connection.execute(
            "SELECT file, count(*) FILTER (bad), count(*) FILTER (NOT bad) FROM (SELECT file, _id, "
            "bool_or(severity = 'error') AS bad "
            f"FROM problems WHERE block = {block.number} AND _id IS NOT NULL AND severity IN ('error', 'skipped') "
            "GROUP BY file, _id) "
            "GROUP BY file"
        ).fetchall()
        rejected = {file: bad for file, bad, _ in marked}
        skipped = {file: left for file, _, left in marked}
        for read in block.files:
            used.add(read.number)
            one = _FileLoad(
                block.entity.name,
                read.name,
                read.content_hash,
                read.rows + read.rejected + read.skipped,
                loaded.get(read.number, 0),
                read.rejected + rejected.get(read.number, 0),
                read.skipped + block.kept_out.get(read.number, 0) + skipped.get(read.number, 0),
            )
            if one.loaded + one.rejected + one.skipped != one.read:
                raise AssertionError(f"rows of {read.name} were lost on the way: {one}")
            counted.append(one)
    lookups = [read for read in files if read.number not in used]
    return counted + [
        _FileLoad(
            LOOKUP,
            read.name,
            read.content_hash,
            read.rows + read.rejected + read.skipped,
            read.rows,
            read.rejected,
            read.skipped,
        )
        for read in lookups
    ]


def _name_problems(connection: duckdb.DuckDBPyConnection, outcome: _Outcome, files: list[FileRead]) -> None:
    """Keep the problems of rows with the names of files and entities in place of numbers."""
    connection.execute("CREATE OR REPLACE TABLE file_names (number INTEGER, name VARCHAR, sheet VARCHAR)")
    for read in files:
        connection.execute("INSERT INTO file_names VALUES (?, ?, ?)", [read.number, read.name, read.sheet])
    connection.execute("CREATE OR REPLACE TABLE block_names (number INTEGER, entity VARCHAR)")
    for block in outcome.blocks:
        connection.execute("INSERT INTO block_names VALUES (?, ?)", [block.number, block.entity.name])
    connection.execute(
        f"CREATE OR REPLACE TABLE {quoted(f'problems_{outcome.source}')} AS SELECT b.entity, f.name AS file, "
        "f.sheet, p.row, p.column_name, "
        "p.value, p.rule, p.reason, p.fix, CASE WHEN p.severity = 'skipped' THEN 'notice' ELSE p.severity END AS "
        "severity "
        "FROM problems p JOIN file_names f ON f.number = p.file JOIN block_names b ON b.number = p.block"
    )


# ------------------------------------------------------------------------------------------------- erased persons


def register_erasure(project: Path, entity: str, value: str) -> None:
    """Note that a person is to stay erased: rows of that entity with this key or e-mail address no longer load.

    Only a hash is kept.
    """
    home = project / HOME
    home.mkdir(exist_ok=True)
    with (home / _ERASED).open("a", encoding="utf-8") as register:
        register.write(f"{entity} {hashlib.sha256(value.strip().lower().encode()).hexdigest()}\n")


def _erased_hashes(project: Path) -> dict[str, set[str]]:
    path = project / HOME / _ERASED
    hashes: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        entity, _, digest = line.partition(" ")
        hashes.setdefault(entity, set()).add(digest)
    return hashes


def _leave_out_erased(connection: duckdb.DuckDBPyConnection, rows: BlockRows, erased: dict[str, set[str]]) -> None:
    digests = erased.get(rows.entity.name)
    if not digests:
        return
    names = [name for name in (*rows.entity.key, "email") if name in rows.fields]
    listed = ", ".join(map(literal, sorted(digests)))
    condition = " OR ".join(f"sha256(lower(trim({quoted(name)}))) IN ({listed})" for name in names) or "false"
    connection.execute(
        f"DELETE FROM problems WHERE block = {rows.number} AND _id IN (SELECT _id FROM {rows.table} WHERE {condition})"
    )
    connection.execute(
        f"INSERT INTO problems SELECT {rows.number}, _id, _file, _row, NULL, NULL, 'erased', "
        f"'the record was erased on request and stays erased', 'Nothing to do.', 'skipped' FROM {rows.table} WHERE "
        f"{condition}"
    )


# ------------------------------------------------------------------------------------------------------- publishing


def _publish(
    connection: duckdb.DuckDBPyConnection, outcomes: list[_Outcome], moment: datetime, report: LoadReport
) -> None:
    """Fill the new store from what was loaded now and, for refused sources, from the published one."""
    has_old = "file_loads" in tables_in(connection, "old")
    parts: dict[str, dict[str, tuple[str, list[str]]]] = {}
    for outcome in outcomes:
        for name, rows in outcome.entities.items():
            parts.setdefault(name, {})[outcome.source] = (quoted(f"final_{outcome.source}_{name}"), rows.fields)
        if outcome.refused and has_old:
            for name, kept in _kept(connection, outcome.source).items():
                parts.setdefault(name, {}).setdefault(outcome.source, kept)
    _refuse_shared_keys(connection, outcomes, parts, has_old=has_old)
    for name in ENTITIES:
        if name in parts:
            _write_entity(connection, name, parts[name])
    for outcome in outcomes:
        _record(connection, outcome, moment, report, has_old=has_old)
    _write_source_loads(connection, mapped="source_loads" in parts, has_old=has_old)
    _write_versions(connection)
    _report_problems(connection, report)


def _write_versions(connection: duckdb.DuckDBPyConnection) -> None:
    """Note which content each entity has now, so that a build can tell what changed."""
    held = tables_in(connection, "new")
    for name, entity in ENTITIES.items():
        if name in held:
            version = version_of(connection, entity, f"new.{quoted(name)}")
            connection.execute("INSERT INTO new.entity_versions VALUES (?, ?, ?)", [name, *version])


def _kept(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, tuple[str, list[str]]]:
    """What the published store has from that source: entity, then relation and mapped fields."""
    kept: dict[str, tuple[str, list[str]]] = {}
    copies = tables_in(connection, "old", SOURCE_TABLES)
    names = connection.execute("SELECT DISTINCT entity FROM old.file_loads WHERE source = ?", [source]).fetchall()
    for (name,) in names:
        if name not in ENTITIES:
            continue
        own = f"{source}.{name}"
        relation = f"old.{SOURCE_TABLES}.{quoted(own)}" if own in copies else f"old.{quoted(name)}"
        stored = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
        mapped = connection.execute("SELECT field FROM old.loaded_fields WHERE entity = ?", [name]).fetchall()
        kept[name] = (relation, [row[0] for row in mapped if row[0] in stored and row[0] in ENTITIES[name].field_names])
    return kept


def _refuse_shared_keys(
    connection: duckdb.DuckDBPyConnection,
    outcomes: list[_Outcome],
    parts: dict[str, dict[str, tuple[str, list[str]]]],
    *,
    has_old: bool,
) -> None:
    """Two sources must not both say what one key is; the later one by name is refused."""
    by_name = {outcome.source: outcome for outcome in outcomes}
    for name, by_source in parts.items():
        key = ENTITIES[name].key
        seen: list[str] = []
        for source in sorted(by_source):
            fields = by_source[source][1]
            clash = _clash(connection, key, [by_source[other] for other in seen], by_source[source]) if key else None
            if clash is None or set(key) - set(fields):
                seen.append(source)
                continue
            outcome = by_name[source]
            file = outcome.mapping.file if outcome.mapping else source
            reason = f"{name}: the key {clash} also comes from another source ({', '.join(seen)})"
            fix = "Load it from one of them, or leave the repeated rows out with `where:`."
            outcome.problems.append(Problem(file, "shared_key", reason, fix, column=key[0], value=clash))
            kept = _kept(connection, source) if has_old else {}
            for entity in outcome.entities:
                parts[entity].pop(source, None)
                if entity in kept:
                    parts[entity][source] = kept[entity]
            outcome.drop()
            return _refuse_shared_keys(connection, outcomes, parts, has_old=has_old)
    return None


def _clash(
    connection: duckdb.DuckDBPyConnection,
    key: tuple[str, ...],
    others: list[tuple[str, list[str]]],
    own: tuple[str, list[str]],
) -> str | None:
    shared = " AND ".join(f"a.{quoted(name)} IS NOT DISTINCT FROM b.{quoted(name)}" for name in key)
    shown = " || ', ' || ".join(f"coalesce(CAST(a.{quoted(name)} AS VARCHAR), '')" for name in key)
    for relation, fields in others:
        if set(key) <= set(fields) and set(key) <= set(own[1]):
            found = connection.execute(
                f"SELECT {shown} FROM {own[0]} a JOIN {relation} b ON {shared} LIMIT 1"
            ).fetchone()
            if found:
                return str(found[0])
    return None


def _write_entity(
    connection: duckdb.DuckDBPyConnection, name: str, by_source: dict[str, tuple[str, list[str]]]
) -> None:
    """The table of an entity, ordered by its first fields, so that equal loads give equal files."""
    entity = create_entity_table(connection, name, into=f"new.{quoted(name)}")
    order = ", ".join(map(quoted, dict.fromkeys((*entity.key, *entity.required, *entity.field_names[:3]))))
    selects = []
    for source, (relation, fields) in sorted(by_source.items()):
        select = f"SELECT {', '.join(map(quoted, fields))} FROM {relation}"
        selects.append(select)
        if len(by_source) > 1:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS new.{SOURCE_TABLES}")
            own = f"new.{SOURCE_TABLES}.{quoted(f'{source}.{name}')}"
            create_entity_table(connection, name, into=own)
            connection.execute(f"INSERT INTO {own} BY NAME {select}")
    union = " UNION ALL BY NAME ".join(selects)
    present = {field_name for _, fields in by_source.values() for field_name in fields}
    ordered = ", ".join(part for part in order.split(", ") if part.strip('"') in present)
    connection.execute(f"INSERT INTO new.{quoted(name)} BY NAME SELECT * FROM ({union}) ORDER BY {ordered or '1'}")
    mapped = [field_name for field_name in entity.field_names if field_name in present]
    counts = ", ".join(f"count({quoted(field_name)})" for field_name in mapped)
    row = connection.execute(f"SELECT count(*), {counts} FROM new.{quoted(name)}").fetchone() or ()
    facts = [
        cell for field_name, filled in zip(mapped, row[1:], strict=True) for cell in (name, field_name, row[0], filled)
    ]
    connection.execute(f"INSERT INTO new.loaded_fields VALUES {', '.join(['(?, ?, ?, ?)'] * len(mapped))}", facts)


def _record(
    connection: duckdb.DuckDBPyConnection, outcome: _Outcome, moment: datetime, report: LoadReport, *, has_old: bool
) -> None:
    """What happened to a source: its files, its problems, its line in the history."""
    if outcome.refused:
        report.refused.append(outcome.source)
        if has_old:
            connection.execute(
                "INSERT INTO new.file_loads SELECT * FROM old.file_loads WHERE source = ?", [outcome.source]
            )
    for one in outcome.files:
        connection.execute(
            "INSERT INTO new.file_loads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                outcome.source,
                one.entity,
                one.file,
                one.read,
                one.loaded,
                one.rejected,
                one.skipped,
                one.content_hash,
                moment,
            ],
        )
    if outcome.blocks:
        connection.execute(
            f"INSERT INTO new.quarantine SELECT ?, *, ? FROM {quoted(f'problems_{outcome.source}')}",
            [outcome.source, moment],
        )
    for problem in outcome.problems:
        connection.execute(
            "INSERT INTO new.quarantine VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                outcome.source,
                problem.file,
                problem.sheet,
                problem.row,
                problem.column,
                problem.value,
                problem.rule,
                problem.reason,
                problem.fix,
                problem.severity,
                moment,
            ],
        )
    for name in outcome.entities:
        files = [one for one in outcome.files if one.entity == name]
        total = EntityLoad(
            outcome.source,
            name,
            sum(one.read for one in files),
            sum(one.loaded for one in files),
            sum(one.rejected for one in files),
            sum(one.skipped for one in files),
        )
        report.entities.append(total)
        connection.execute(
            "INSERT INTO new.load_history VALUES (?, ?, ?, ?, ?, ?)",
            [outcome.source, name, moment, total.rows_read, total.rows_rejected, total.rows_loaded],
        )


def _write_source_loads(connection: duckdb.DuckDBPyConnection, *, mapped: bool, has_old: bool) -> None:
    """Every load ever recorded, as the entity that metrics of freshness read, beside what a source maps to it."""
    if has_old:
        connection.execute(
            "INSERT INTO new.load_history SELECT * FROM old.load_history o WHERE NOT EXISTS (SELECT 1 FROM "
            "new.load_history n "
            "WHERE (n.source, n.entity, n.loaded_at) = (o.source, o.entity, o.loaded_at))"
        )
    if not mapped:
        create_entity_table(connection, "source_loads", into="new.source_loads")
    connection.execute(
        "INSERT INTO new.source_loads BY NAME SELECT source, entity, loaded_at, rows_read, rows_rejected FROM "
        "new.load_history "
        "ORDER BY loaded_at, source, entity"
    )
    connection.execute("DELETE FROM new.loaded_fields WHERE entity = 'source_loads'")
    columns = {"source", "entity", "loaded_at", "rows_read", "rows_rejected"}
    if mapped:
        columns |= {"expected_at", "data_through"}
    for name in ENTITIES["source_loads"].field_names:
        if name in columns:
            connection.execute(
                f"INSERT INTO new.loaded_fields SELECT 'source_loads', ?, count(*), count({quoted(name)}) FROM "
                "new.source_loads",
                [name],
            )


def _report_problems(connection: duckdb.DuckDBPyConnection, report: LoadReport) -> None:
    """Take the gravest problems of this load into the report, and count all."""
    found = connection.execute(
        "SELECT file, rule, reason, fix, row_number, column_name, value, sheet, severity FROM new.quarantine "
        "ORDER BY severity = 'error' DESC, severity = 'warning' DESC, file, sheet, row_number, column_name, rule "
        f"LIMIT {REPORTED}"
    ).fetchall()
    report.problems = [Problem(*row) for row in found]
    counted = connection.execute("SELECT severity, count(*) FROM new.quarantine GROUP BY severity").fetchall()
    report.counts = dict(counted)


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0] or 0) if row else 0
