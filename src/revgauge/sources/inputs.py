"""Bring the inputs of a source into the scratch database: a table of text for each, with file and row of every row."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from revgauge.model.store import literal, quoted
from revgauge.sources.cells import SPACES
from revgauge.sources.mapping import FileInput, TableInput
from revgauge.sources.problems import Problem, RefusedError, refuse
from revgauge.sources.readers.base import ROW, RawTable, ReadOptions
from revgauge.sources.readers.delimited import read_delimited
from revgauge.sources.readers.json_records import read_json
from revgauge.sources.readers.workbook import read_workbook

_JSON = {".json", ".jsonl", ".ndjson"}
_BOOKS = {".xlsx", ".xlsm", ".xls"}
SUFFIXES = {".csv", ".tsv", ".txt", ".tab", ".parquet", *_JSON, *_BOOKS}


@dataclass(slots=True)
class FileRead:
    """One file or table as it was read."""

    number: int
    name: str
    sheet: str | None
    content_hash: str
    columns: set[str]
    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)
    fixed_columns: bool = True
    """Every row has every column, so a column that is missing is missing from the file."""


@dataclass(slots=True)
class RawInput:
    """One input in the scratch database, its texts without space around them.

    Columns are named by position there, since headers may differ by case only.
    """

    name: str
    table: str
    columns: dict[str, str] = field(default_factory=dict)
    """Header name: column of the table."""
    files: list[FileRead] = field(default_factory=list)
    serial_days: bool = False
    typed_numbers: bool = False
    marks: bool = False
    utc: bool = False
    """Timestamps without a zone are UTC, as the loader that made the table documents."""


_TABLES = itertools.count(1)
"""Numbers the private tables: sources of one load share a database, so none may be given twice."""


class Scratch:
    """The private database of a load, with the files read so far."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, project: Path) -> None:
        self.connection = connection
        self.project = project
        self.files: list[FileRead] = []
        self._rows = 0

    def new_table(self, kind: str) -> str:
        """A name that no other table of this source has."""
        return f"{kind}_{next(_TABLES)}"

    def clear(self) -> None:
        """Remove what the next source does not need; only the rows that load and the problems stay."""
        for kind in ("VIEW", "TABLE"):
            listed = self.connection.execute(
                f"SELECT {kind.lower()}_name FROM duckdb_{kind.lower()}s() WHERE database_name = 'memory' "
                "AND schema_name = 'main' AND NOT internal"
            ).fetchall()
            for (name,) in listed:
                if not name.startswith(("final_", "problems_")):
                    self.connection.execute(f"DROP {kind} {quoted(name)}")

    def new_file(self, name: str, sheet: str | None, content_hash: str, columns: set[str]) -> FileRead:
        """Note a file that is being read."""
        read = FileRead(len(self.files), name, sheet, content_hash, columns)
        self.files.append(read)
        return read

    def take_ids(self, count: int) -> int:
        """Reserve that many row ids; the first is returned."""
        first = self._rows
        self._rows += count
        return first

    def read_files(self, name: str, given: FileInput) -> RawInput:
        """Read all files of an input. Raises RefusedError with what is wrong in any of them."""
        paths = matching(self.project, given.path, name)
        raw = RawInput(name, self.new_table("raw"))
        self.connection.execute(f"CREATE TABLE {raw.table} (_id BIGINT, _file INTEGER, _row BIGINT)")
        options = ReadOptions(
            given.sheet,
            given.header_row,
            given.encoding,
            given.separator,
            given.records,
            given.each,
            given.max_unpacked_mb << 20,
        )
        problems: list[Problem] = []
        unsafe = False
        for path in paths:
            try:
                if path.suffix.lower() == ".parquet":
                    self._append_relation(
                        raw, self._display(path), f"SELECT * FROM read_parquet({literal(str(path))})", None
                    )
                else:
                    self._append(raw, read_one(path, self._display(path), options))
            except RefusedError as error:
                problems.extend(error.problems)
                unsafe = unsafe or error.unsafe
        if problems:
            raise RefusedError(problems, unsafe=unsafe)
        return raw

    def read_table(self, name: str, given: TableInput) -> RawInput:
        """Read a table of a DuckDB file, or Parquet files. Raises RefusedError."""
        raw = RawInput(name, self.new_table("raw"))
        self.connection.execute(f"CREATE TABLE {raw.table} (_id BIGINT, _file INTEGER, _row BIGINT)")
        if given.parquet:
            places = [
                str(Path(part) / "*.parquet") if (self.project / part).is_dir() else part for part in given.parquet
            ]
            for path in matching(self.project, places, name):
                self._append_relation(
                    raw, self._display(path), f"SELECT * FROM read_parquet({literal(str(path))})", given.each
                )
            return raw
        path = self.project / str(given.database)
        shown = f"{self._display(path)}:{given.schema_}.{given.table}"
        if not path.exists():
            raise refuse(
                shown, "no_such_file", "the database is not there", f"Correct `database:` of the table `{name}`."
            )
        try:
            self.connection.execute(f"ATTACH {literal(str(path))} AS foreign_database (READ_ONLY)")
        except duckdb.Error as error:
            raise refuse(
                shown, "unreadable", f"the database cannot be opened ({str(error).splitlines()[0]})", "Check the file."
            ) from error
        try:
            source = f"SELECT * FROM foreign_database.{quoted(given.schema_)}.{quoted(str(given.table))}"
            self._append_relation(raw, shown, source, given.each)
        finally:
            self.connection.execute("DETACH foreign_database")
        return raw

    def _display(self, path: Path) -> str:
        return str(path.relative_to(self.project)) if path.is_relative_to(self.project) else str(path)

    def _append(self, raw: RawInput, table: RawTable) -> None:
        read = self.new_file(table.file, table.sheet, table.content_hash, set(table.columns))
        self._name_columns(raw, table.columns)
        for batch in table.batches:
            self._name_columns(raw, batch.schema.names[1:])
            first = self.take_ids(batch.num_rows)
            arrays = [
                pa.array(range(first, first + batch.num_rows), pa.int64()),
                pa.repeat(pa.scalar(read.number, pa.int32()), batch.num_rows),
                batch.column(ROW),
                *(pc.utf8_trim_whitespace(column) for column in batch.columns[1:]),
            ]
            names = ["_id", "_file", ROW, *(raw.columns[name] for name in batch.schema.names[1:])]
            incoming = pa.Table.from_batches([pa.RecordBatch.from_arrays(arrays, names=names)])
            self.connection.register("incoming", incoming)
            self.connection.execute(f"INSERT INTO {raw.table} BY NAME SELECT * FROM incoming")
            self.connection.unregister("incoming")
            read.rows += batch.num_rows
        read.columns = set(table.columns)
        read.fixed_columns = not table.file.removesuffix(".gz").endswith(tuple(_JSON))
        read.rejected, read.skipped = table.tally.rejected, table.tally.skipped
        read.problems = table.tally.problems
        raw.files.append(read)
        raw.serial_days = raw.serial_days or table.serial_days
        raw.marks = raw.marks or table.serial_days

    def _name_columns(self, raw: RawInput, names: list[str]) -> None:
        fresh = [name for name in names if name not in raw.columns]
        for name in fresh:
            raw.columns[name] = f"k{len(raw.columns)}"
        if (
            fresh and not raw.files
        ):  # still empty: made anew in one statement, since some tables have hundreds of columns
            listed = ", ".join(f"{column} VARCHAR" for column in raw.columns.values())
            empty = self.connection.execute(f"SELECT 1 FROM {raw.table} LIMIT 1").fetchone() is None
            if empty:
                self.connection.execute(
                    f"CREATE OR REPLACE TABLE {raw.table} (_id BIGINT, _file INTEGER, _row BIGINT, {listed})"
                )
                return
        for name in fresh:
            self.connection.execute(f"ALTER TABLE {raw.table} ADD COLUMN {raw.columns[name]} VARCHAR")

    def _append_relation(self, raw: RawInput, shown: str, source: str, each: str | None) -> None:
        """Copy a table, its values written as text without loss."""
        try:
            described = self.connection.execute(f"DESCRIBE {source}").fetchall()
        except duckdb.Error as error:
            raise refuse(
                shown,
                "unreadable",
                f"the table cannot be read ({str(error).splitlines()[0]})",
                "Check its name and place.",
            ) from error
        names = [row[0] for row in described]
        loader = {"_fivetran_synced", "_airbyte_extracted_at", "_airbyte_emitted_at"} & set(names)
        raw.utc = raw.utc or bool(loader)
        raw.typed_numbers = True
        texts = [f"{_as_text(quoted(row[0]), row[1], utc=bool(loader))} AS {quoted(row[0])}" for row in described]
        inner = f"SELECT {', '.join(texts)} FROM ({source})"
        columns = list(names)
        if each:
            items = f"json_extract(TRY_CAST({quoted(each.split('.')[0])} AS JSON), {literal(_json_path(each))})"
            inner = (
                f"SELECT *, CAST(unnest(CASE WHEN len({items}) > 0 THEN {items} ELSE [NULL] END) AS VARCHAR) "
                f"AS item FROM ({inner})"
            )
            columns.append("item")
        read = self.new_file(shown, None, "", set(columns))
        self._name_columns(raw, columns)
        target = ", ".join(f"{quoted(name)} AS {raw.columns[name]}" for name in columns)
        first = self.take_ids(0)
        self.connection.execute(
            f"INSERT INTO {raw.table} BY NAME SELECT {first} + row_number() OVER () - 1 AS _id, {read.number} AS "
            "_file, "
            f"row_number() OVER () AS _row, {target} FROM ({inner})"
        )
        hashed = ", ".join(raw.columns[name] for name in columns)
        row = self.connection.execute(
            f"SELECT count(*), coalesce(sum(hash({hashed})::HUGEINT), 0)::VARCHAR FROM {raw.table} WHERE _file = "
            f"{read.number}"
        ).fetchone()
        if row:
            read.rows, read.content_hash = row[0], row[1]
        self.take_ids(read.rows)
        raw.files.append(read)
        read.problems.extend(self._nulled_by_airbyte(raw, read))

    def _nulled_by_airbyte(self, raw: RawInput, read: FileRead) -> list[Problem]:
        """Values that Airbyte emptied because they did not fit; it keeps a list of them in each row."""
        if "_airbyte_meta" not in raw.columns:
            return []
        meta = raw.columns["_airbyte_meta"]
        found = self.connection.execute(
            "SELECT _row, change ->> 'field', change ->> 'reason' FROM (SELECT _row, "
            f"unnest(json_extract(TRY_CAST({meta} AS JSON), "
            f"'$.changes[*]')) AS change FROM {raw.table} WHERE _file = {read.number}) ORDER BY _row LIMIT 1000"
        ).fetchall()
        return [
            Problem(
                read.name,
                "emptied_by_airbyte",
                f"Airbyte emptied the value ({reason})",
                "Look at the value in the source; correct it there or change the type in Airbyte.",
                row=row,
                column=column,
                severity="warning",
            )
            for row, column, reason in found
        ]


def read_one(path: Path, name: str, options: ReadOptions) -> RawTable:
    """Open one file with the reader for its kind; a packed file is told by the name inside.

    Raises RefusedError, also while the batches are consumed.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    readers = {**dict.fromkeys(_BOOKS, read_workbook), **dict.fromkeys(_JSON, read_json)}
    if suffix not in SUFFIXES:
        known = ", ".join(sorted(SUFFIXES))
        raise refuse(
            name, "unknown_kind", f"files ending in `{suffix}` cannot be read", f"Known are {known}, also with .gz."
        )
    with _told_as_refusal(name):
        table = readers.get(suffix, read_delimited)(path, name, options)
    table.batches = _guarded(table.batches, name)
    return table


def _guarded(batches: Iterator[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    with _told_as_refusal(name):
        yield from batches


@contextmanager
def _told_as_refusal(name: str) -> Iterator[None]:
    """What stands against the bytes of a file, in words."""
    fix = "Check that it is the file that was meant; give `encoding:` for this input, or export it again."
    try:
        yield
    except UnicodeError as error:
        raise refuse(name, "unreadable", f"its bytes are not text as they seemed to be ({error})", fix) from error
    except (csv.Error, RecursionError) as error:
        raise refuse(name, "unreadable", f"it cannot be cut into rows ({error})", fix) from error
    except OSError as error:
        reason = f"the file cannot be read ({error.strerror or error})"
        raise refuse(name, "unreadable", reason, "Check the file and its rights.") from error


def matching(project: Path, patterns: list[str], name: str) -> list[Path]:
    """The files that paths and globs below the project name, sorted, each once; RefusedError if there are none."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        place = Path(pattern)
        if any(mark in pattern for mark in "*?["):
            anchor = Path(place.anchor) if place.is_absolute() else project
            inside = str(place.relative_to(place.anchor)) if place.is_absolute() else pattern
            paths = sorted(path for path in anchor.glob(inside) if path.is_file())
        else:
            paths = [project / place] if (project / place).is_file() else []
        if not paths:
            raise refuse(
                pattern,
                "no_such_file",
                f"no file matches, in {project}",
                f"Correct the path of the input `{name}`, or put the file there.",
            )
        found.update(dict.fromkeys(paths))
    return list(found)


def _json_path(each: str) -> str:
    inside = each.split(".")[1:]
    return "$" + "".join(f'."{key}"' for key in inside) + "[*]"


def _as_text(column: str, sql_type: str, *, utc: bool) -> str:
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {column}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if sql_type.startswith("TIMESTAMP"):
        return f"strftime(CAST({column} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%f{'Z' if utc else ''}')"
    if sql_type.startswith(("STRUCT", "MAP")) or sql_type.endswith("[]"):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"trim(CAST({column} AS VARCHAR), {literal(SPACES)})"
