"""DuckDB, the embedded database: nothing to install, one file or none."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pyarrow as pa
import sqlglot.expressions as sge

from revgauge.catalogue.engine.base import Engine, Rows, held, settled
from revgauge.catalogue.engine.lane import Pending, Threaded
from revgauge.model.store import literal, overflow_folder, quoted

if TYPE_CHECKING:
    import ibis.expr.types as ir


class DuckDB(Engine):
    """A DuckDB connection; the entities stand in it, or in a database that is attached to it."""

    name = "duckdb"

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, entities: str | None = None, overflow: Path | None = None
    ) -> None:
        """Use a connection; `entities` names the attached database in which the entities stand.

        `overflow` is the folder for what memory does not hold; it is removed in the end.
        """
        self.connection = connection
        self.backend = ibis.duckdb.from_connection(connection)
        self.lane = Threaded(connection.interrupt)
        self._where = (entities, "main") if entities else None
        self._overflow = overflow
        self._entities: dict[str, ir.Table] = {}
        self._in_part: set[str] = set()
        """Kept tables of which only some columns are held."""

    @classmethod
    def open(cls, store: Path, *, memory_limit: str | None = None, threads: int | None = None) -> DuckDB:
        """The entities of a store file, read only; everything else is computed beside it in memory.

        Raises FileNotFoundError if nothing was ever loaded there.
        """
        if not store.exists():
            raise FileNotFoundError(store)
        connection = duckdb.connect()
        overflow = overflow_folder(store.parent)
        connection.execute(f"SET temp_directory = {literal(overflow)}")
        if memory_limit:
            connection.execute(f"SET memory_limit = '{memory_limit}'")
        if threads:
            connection.execute(f"SET threads = {threads}")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"ATTACH {literal(store)} AS entities (READ_ONLY)")
        return cls(connection, "entities", overflow)

    def tables(self) -> set[str]:
        """The tables of the database of the entities."""
        self._entities = self.lane.now(self._found)
        return set(self._entities)

    def _found(self) -> dict[str, ir.Table]:
        """The tables of the database of the entities, described by one query: to ask for one takes as long."""
        catalog, schema = map(literal, self._where) if self._where else ("current_database()", "current_schema()")
        columns = self.connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            f"WHERE database_name = {catalog} AND schema_name = {schema} ORDER BY table_oid, column_index"
        ).fetchall()
        kind = functools.cache(self.backend.compiler.type_mapper.from_string)
        found: dict[str, dict[str, dt.DataType]] = {}
        for table, column, told, nullable in columns:
            found.setdefault(table, {})[column] = kind(told, nullable=nullable)
        where = ops.Namespace(*self._where) if self._where else ops.Namespace()
        return {
            name: ops.DatabaseTable(name, schema=sch.Schema(kinds), source=self.backend, namespace=where).to_expr()
            for name, kinds in found.items()
        }

    def entity(self, name: str) -> ir.Table:
        """The table of an entity, as it was when tables were last listed."""
        if name not in self._entities:
            self.tables()
        return self._entities[name]

    def add(self, name: str, rows: pa.Table) -> ir.Table:
        """A temporary table, read from Arrow."""

        def added() -> None:
            self.connection.register(f"{name}_rows", rows)
            self.connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {name}_rows")
            self.connection.unregister(f"{name}_rows")

        with self.lane.ahead():  # whoever reads it comes later, and it is made of nothing that waits
            self.lane.later(added)
        return self.promised(name, sch.Schema.from_pyarrow(rows.schema))

    def promised(self, name: str, schema: sch.Schema) -> ir.Table:
        """A temporary table."""
        where = ops.Namespace(catalog="temp", database="main")
        return ops.DatabaseTable(name, schema=schema, source=self.backend, namespace=where).to_expr()

    def keep(self, name: str, expression: ir.Table, schema: sch.Schema) -> Pending[int]:
        """A temporary table with the columns that there are, and where some are not a view that has them all."""
        written = settled(expression.schema())
        types = self.backend.compiler.type_mapper
        columns = ", ".join(f"{quoted(column)} {types.to_string(kind)}" for column, kind in written.items())
        query = self.written(expression, written)
        table, view = name, ""
        if len(written) < len(schema):
            self._in_part.add(name)
            table = held(name)
            view = f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {self.seen(name, written.names, schema)}"

        def kept() -> int:
            # One may stand there without rows, if to compute them failed before.
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} ({columns})")
            (rows,) = self.connection.execute(f"INSERT INTO {quoted(table)} {query}").fetchall()
            if view:
                self.connection.execute(view)
            return int(rows[0])

        return self.lane.later(kept)

    def drop(self, name: str) -> Pending[None]:
        """Drop the table, and its view if it has one."""
        dropped = [f"DROP TABLE {quoted(name)}"]
        if name in self._in_part:
            self._in_part.remove(name)
            dropped = [f"DROP VIEW {quoted(name)}", f"DROP TABLE {quoted(held(name))}"]

        def gone() -> None:
            for command in dropped:
                self.connection.execute(command)

        return self.lane.later(gone)

    def typed(self, query: sge.Query, schema: sch.Schema) -> sge.Query:  # noqa: ARG002 - DuckDB keeps to it
        """The query as it is."""
        return query

    def arrow(self, text: str, schema: sch.Schema) -> Pending[pa.Table]:  # noqa: ARG002 - DuckDB keeps to it
        """The rows of a query, without a copy."""
        return self.lane.later(lambda: self.connection.execute(text).to_arrow_table())

    def replace(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> None:
        """Write tables anew, in one transaction."""
        self._entities = {}
        self.lane.now(lambda: self._replace(tables, gone))

    def _replace(self, tables: Mapping[str, Rows], gone: Collection[str]) -> None:
        self.connection.execute("BEGIN")
        try:
            for name in {*tables, *gone}:
                self.connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
            for name, rows in tables.items():
                with rows() as reader:
                    self.connection.register("incoming", reader)
                    self.connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM incoming")
                    self.connection.unregister("incoming")
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """End the connection; its temporary tables go with it."""
        self.lane.close()
        self.backend.disconnect()
        if self._overflow is not None:
            shutil.rmtree(self._overflow, ignore_errors=True)
