"""One source: its files are read, its rows made, checked and counted; it loads whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from revgauge.model.entities import ENTITIES
from revgauge.model.store import literal, quoted, tables_in
from revgauge.sources.blocks import PROBLEMS, BlockGapError, BlockRows, BlockRun, SourceContext
from revgauge.sources.erasure import erased_hashes, leave_out_erased
from revgauge.sources.inputs import FileRead, RawInput, Scratch
from revgauge.sources.keys import EntityRows
from revgauge.sources.mapping import Mapping
from revgauge.sources.outcome import FileLoad, Outcome
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.rules import check_rows

Progress = Callable[[str], None]

SHRINK_LIMIT = 0.8
"""A reload with fewer than this share of the rows of the last one is refused unless it is confirmed."""

LOOKUP = "(lookup)"
"""Stands for the entity of a file that other inputs only look things up in."""


def read_source(
    connection: duckdb.DuckDBPyConnection,
    project: Path,
    outcome: Outcome,
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


def _run_blocks(outcome: Outcome, context: SourceContext, moment: datetime, say: Progress) -> None:
    """Make and settle the rows of every entity of a source."""
    scratch, mapping, inputs = context.scratch, context.mapping, context.inputs
    refusals: list[Problem] = []
    erased = erased_hashes(scratch.project)
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
            leave_out_erased(scratch.connection, rows, erased)
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


def _guard_shrinking(connection: duckdb.DuckDBPyConnection, outcome: Outcome) -> None:
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


def _count_files(connection: duckdb.DuckDBPyConnection, outcome: Outcome, files: list[FileRead]) -> list[FileLoad]:
    """For every file and entity: every row read was loaded, rejected or skipped."""
    counted: list[FileLoad] = []
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
            one = FileLoad(
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
        FileLoad(
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


def _name_problems(connection: duckdb.DuckDBPyConnection, outcome: Outcome, files: list[FileRead]) -> None:
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


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0] or 0) if row else 0
