"""DuckDB, the embedded database: nothing to install, one file or none."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pyarrow as pa
import sqlglot.expressions as sge

from revgauge.catalogue.engine.base import Engine, Rows, settled
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
        self._where = (entities, "main") if entities else None
        self._overflow = overflow

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
        return set(self.backend.list_tables(database=self._where))

    def entity(self, name: str) -> ir.Table:
        """The table of an entity."""
        return self.backend.table(name, database=self._where)

    def add(self, name: str, rows: pa.Table) -> ir.Table:
        """A temporary table, read from Arrow."""
        self.connection.register(f"{name}_rows", rows)
        self.connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {name}_rows")
        self.connection.unregister(f"{name}_rows")
        return self.backend.table(name, database=("temp", "main"))

    def keep(self, name: str, expression: ir.Table) -> tuple[ir.Table, int]:
        """A temporary table."""
        schema = settled(expression.schema())
        types = self.backend.compiler.type_mapper
        columns = [f"{quoted(column)} {types.to_string(kind)}" for column, kind in schema.items()]
        self.connection.execute(f"CREATE TEMP TABLE {quoted(name)} ({', '.join(columns)})")
        written = self.connection.execute(f"INSERT INTO {quoted(name)} {self.text(self.query(expression))}")
        where = ops.Namespace(catalog="temp", database="main")
        table = ops.DatabaseTable(name, schema=schema, source=self.backend, namespace=where).to_expr()
        return table, int(written.fetchall()[0][0])

    def fetch(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression, in the types that Ibis promises."""
        schema = expression.schema()
        return self.arrow(self.query(expression), schema).cast(schema.to_pyarrow())

    def arrow(self, query: sge.Query, schema: sch.Schema) -> pa.Table:  # noqa: ARG002 - DuckDB keeps to it
        """The rows of a query, without a copy."""
        return self.backend.raw_sql(self.text(query)).to_arrow_table()

    def replace(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> None:
        """Write tables anew, in one transaction."""
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
        self.backend.disconnect()
        if self._overflow is not None:
            shutil.rmtree(self._overflow, ignore_errors=True)
