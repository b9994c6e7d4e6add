"""The new store, filled from what was loaded now and, for sources that were refused, from what stood there before."""

from __future__ import annotations

from datetime import datetime

import duckdb

from revgauge.model.entities import ENTITIES
from revgauge.model.store import SOURCE_TABLES, create_entity_table, quoted, tables_in, version_of
from revgauge.sources.outcome import EntityLoad, LoadReport, Outcome
from revgauge.sources.problems import Problem

REPORTED = 2_000
"""The most problems that a report carries; the store has all of them."""


def publish(
    connection: duckdb.DuckDBPyConnection, outcomes: list[Outcome], moment: datetime, report: LoadReport
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
    outcomes: list[Outcome],
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
    connection: duckdb.DuckDBPyConnection, outcome: Outcome, moment: datetime, report: LoadReport, *, has_old: bool
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
