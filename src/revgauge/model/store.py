"""The entity store: one DuckDB file that readers open read-only and a load replaces as a whole.

A load never touches the file that is being read. It writes a new file beside it, brings it to disk and puts it in the
old one's place with one rename, so a reader, and a machine that loses power, finds the old tables or the new ones and
never a mixture. What a killed load left behind is swept away by the next one, under the lock of the project.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import SQL_TYPES, Entity

HOME = ".revgauge"
"""The folder in a project where RevGauge keeps what it makes."""

STORE = "entities.duckdb"
QUERIES = "queries"
"""The folder, beside the store, of how queries were written."""

LOCK = "lock"
OVERFLOW = "overflow"
STORAGE_VERSION = "v1.0.0"
"""The file format that every DuckDB since 1.0 reads."""

SOURCE_TABLES = "by_source"
"""Schema of the copies kept for each source where several sources fill one entity, as `by_source."crm.accounts"`."""

META_TABLES: dict[str, str] = {
    "loaded_fields": "entity VARCHAR, field VARCHAR, rows BIGINT, filled BIGINT",
    "entity_versions": "entity VARCHAR, rows BIGINT, content VARCHAR",
    "quarantine": (
        "source VARCHAR, entity VARCHAR, file VARCHAR, sheet VARCHAR, row_number BIGINT, column_name VARCHAR, "
        "value VARCHAR, rule VARCHAR, reason VARCHAR, fix VARCHAR, severity VARCHAR, loaded_at TIMESTAMP"
    ),
    "file_loads": (
        "source VARCHAR, entity VARCHAR, file VARCHAR, rows_read BIGINT, rows_loaded BIGINT, rows_rejected BIGINT, "
        "rows_skipped BIGINT, content_hash VARCHAR, loaded_at TIMESTAMP"
    ),
    "load_history": (
        "source VARCHAR, entity VARCHAR, loaded_at TIMESTAMP, rows_read BIGINT, rows_rejected BIGINT, "
        "rows_loaded BIGINT"
    ),
}
"""What a store knows of its own loads, as column lists.

`loaded_fields` has one row for each field that some source maps: an entity without a row was never loaded, a field
without one is a gap. `entity_versions` tells one content of an entity from another, whatever the order of its rows is.
`quarantine` has one row for each thing that was left out or warned of; its severity is `error`
(the row was left out), `warning` or `notice`. `file_loads` has one row for each file and entity of the last load of its
source; the counts add up to the rows read. `load_history` has one row for each load of an entity from a source, ever.
"""


class StoreError(Exception):
    """The store cannot be opened or written; the text says what to do."""


class ProjectBusyError(StoreError):
    """Another process holds the project; the text says which, since when and doing what."""


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def store_path(project: Path) -> Path:
    """Where the store of that project stands, whether or not it is there yet."""
    return project / HOME / STORE


def create_entity_table(connection: duckdb.DuckDBPyConnection, name: str, *, into: str | None = None) -> Entity:
    """Create the empty table of that entity, every canonical column in the order of the declaration.

    `into` is the full name of the table where it is not the entity's own.
    """
    entity = ENTITIES[name]
    columns = ", ".join(f"{quoted(field.name)} {SQL_TYPES[field.type]}" for field in entity.fields)
    connection.execute(f"CREATE TABLE {into or quoted(name)} ({columns})")
    return entity


def open_store(project: Path) -> duckdb.DuckDBPyConnection:
    """Open the published store for reading; many may at once, and a load does not disturb them.

    Raises StoreError when nothing was loaded yet or the file cannot be read.
    """
    path = store_path(project)
    if not path.exists():
        raise StoreError(f"{path} is not there: nothing was loaded yet. Run `revgauge load` first.")
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise StoreError(f"{path} cannot be read ({error}). Delete it and run `revgauge load` again.") from error


@contextmanager
def project_lock(project: Path, command: str, started: datetime) -> Iterator[None]:
    """Hold the project for writing while the block runs.

    The lock is the operating system's, so it ends with the process, however that ends. Raises ProjectBusyError when
    another process holds it.
    """
    home = project / HOME
    home.mkdir(exist_ok=True)
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(handle):
            raise ProjectBusyError(_holder(home / LOCK))
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "command": command, "start": str(started)}).encode(), 0)
        sweep(project)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - only there on Windows

        try:
            # A byte far behind the text is locked, so that others may read who holds the project.
            os.lseek(handle, 4096, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl  # noqa: PLC0415 - not there on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        who = f"`{told['command']}` (process {told['pid']}) has been running since {told['start']}"
    except (OSError, ValueError, KeyError):
        who = "another process holds it"
    return f"the project {path.parent.parent} is in use: {who}. Wait until it ends, then try again."


def sweep(project: Path) -> None:
    """Remove what a killed load or build left behind. Only the holder of the project's lock may call this."""
    for leftover in (project / HOME).glob("*.duckdb.*.new*"):
        leftover.unlink(missing_ok=True)
    for leftover in (project / HOME).glob(f"{OVERFLOW}.*"):
        if not _runs(leftover.suffix.removeprefix(".")):
            shutil.rmtree(leftover, ignore_errors=True)


def overflow_folder(home: Path) -> Path:
    """Where this process may put what memory does not hold; no other process uses the same folder."""
    return home / f"{OVERFLOW}.{os.getpid()}"


def _runs(process: str) -> bool:
    """Whether a process of that number may still be running."""
    if not process.isdigit():
        return True
    if sys.platform == "win32":
        return False  # what is open there cannot be removed, so trying is safe
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def replacing_store(project: Path, scratch: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Write a new store and publish it when the block ends well.

    Inside the block `scratch` has the empty new store attached as `new` and, if there is one, the published store as
    `old` (read-only). When the block raises, the published store stays as it is.
    """
    published = store_path(project)
    published.parent.mkdir(exist_ok=True)
    fresh = published.with_name(f"{STORE}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    attached = ["new"]
    scratch.execute(f"ATTACH {literal(fresh)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        for name, columns in META_TABLES.items():
            scratch.execute(f"CREATE TABLE new.{quoted(name)} ({columns})")
        if published.exists():
            scratch.execute(f"ATTACH {literal(published)} AS old (READ_ONLY)")
            attached.append("old")
        yield
        scratch.execute("CHECKPOINT new")
    except BaseException:
        for name in attached:
            scratch.execute(f"DETACH {name}")
        fresh.unlink(missing_ok=True)
        fresh.with_name(fresh.name + ".wal").unlink(missing_ok=True)
        raise
    for name in attached:
        scratch.execute(f"DETACH {name}")
    _to_disk(fresh)
    fresh.replace(published)
    _to_disk(published.parent)


def tables_in(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str = "main") -> set[str]:
    """The names of the tables in a schema of an attached database: to ask for one takes as long as for all."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ?", [catalog, schema]
    ).fetchall()
    return {name for (name,) in found}


def version_of(connection: duckdb.DuckDBPyConnection, entity: Entity, table: str) -> tuple[int, str]:
    """The number of rows of an entity's table, and a hash of them that their order does not change."""
    columns = ", ".join(map(quoted, entity.field_names))
    row = connection.execute(
        f"SELECT count(*), coalesce(sum(hash({columns})::HUGEINT), 0)::VARCHAR FROM {table}"
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    return row[0], row[1]


def fingerprint(project: Path) -> dict[str, tuple[int, str]]:
    """The version of each entity of the published store.

    The log of loads (`source_loads`) is left out: it says when data came, not what they are.
    """
    with open_store(project) as connection:
        held = tables_in(connection, Path(STORE).stem)
        return {
            name: version_of(connection, entity, quoted(name))
            for name, entity in ENTITIES.items()
            if name != "source_loads" and name in held
        }


def contents(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Each table of an open store, and what tells one content of it from another whatever the order of its rows is."""
    named = connection.execute(
        "SELECT table_name, md5(string_agg(column_name || data_type, ',' ORDER BY column_index)) FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND NOT internal GROUP BY table_name"
    )
    found: dict[str, str] = {}
    for name, columns in named.fetchall():
        query = f"SELECT count(*), coalesce(sum(hash(held)::HUGEINT), 0) FROM {quoted(name)} AS held"
        rows, content = connection.execute(query).fetchall()[0]
        found[name] = f"{columns}:{rows}:{content}"
    return found


def batches(connection: duckdb.DuckDBPyConnection, name: str) -> Callable[[], pa.RecordBatchReader]:
    """What opens the rows of a table of an open store, so many at a time that memory holds them."""
    return lambda: connection.cursor().execute(f"SELECT * FROM {quoted(name)}").to_arrow_reader(100_000)


def literal(text: str | Path) -> str:
    """The text, or the path, as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def _to_disk(path: Path) -> None:
    """Wait until the file, or the folder's list of names, stands on the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
