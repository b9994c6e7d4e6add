"""PostgreSQL: entities in a schema of a server, everything else in temporary tables of the session.

Rows travel in bulk, by COPY, in both directions. Texts are compared byte by byte, as in the other databases, whatever
the order of the database's own language is.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pyarrow as pa
import pyarrow.csv
import sqlglot.expressions as sge

from revgauge.catalogue.engine import meaning
from revgauge.catalogue.engine.address import Address
from revgauge.catalogue.engine.base import Engine, EngineError, Place, Rows, held, settled
from revgauge.catalogue.engine.forms import Blanks
from revgauge.catalogue.engine.lane import Pending
from revgauge.catalogue.engine.reasons import told
from revgauge.model.store import quoted

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import psycopg

BLOCK = 1 << 24
"""Bytes that are parsed at a time; no row is longer."""


BYTE_ORDER = ' COLLATE "C"'
"""Behind the type of a text column: texts are compared byte by byte, not as a language sorts them."""


LETTERS = "und-x-icu"
"""The collation that knows the letters of all languages."""


class PostgreSQL(Engine):
    """A connection to a PostgreSQL server."""

    name = "postgresql"
    rules = meaning.CAREFUL

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        address: Address,
        schema: str | None = None,
        *,
        steady: bool = False,
    ) -> None:
        """Use a connection to the address; the entities stand in the schema, or without one in temporary tables.

        While a `steady` engine is open nobody can replace its tables: a load waits until it is closed.
        """
        self.connection = connection
        self.address = address
        connection.autocommit = True
        for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "client_encoding = 'UTF8'", "jit = off"):
            connection.execute(f"SET {setting}".encode())
        self.backend = ibis.postgres.from_connection(connection)
        self.schema = schema
        self._made: dict[str, ir.Table] = {}
        self._whole = ExitStack()
        if steady:
            self._whole.enter_context(connection.transaction(force_rollback=True))
            if names := sorted(self._kinds("r", "p")):
                listed = ", ".join(self._in_schema(name) for name in names)
                self._run(f"LOCK TABLE {listed} IN ACCESS SHARE MODE")

    def tables(self) -> set[str]:
        """The tables and views of the schema."""
        return set(self._made) if self.schema is None else self._kinds("r", "p", "v", "m", "f")

    def _kinds(self, *kinds: str) -> set[str]:
        found = self.connection.execute(
            "SELECT relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace AS place ON place.oid = relnamespace "
            "WHERE nspname = %s AND relkind::text = ANY(%s) AND has_table_privilege(pg_class.oid, 'SELECT')",
            [self.schema, list(kinds)],
        )
        return {str(name) for (name,) in found}

    def _in_schema(self, name: str) -> str:
        return f"{quoted(self.schema or 'pg_temp')}.{quoted(name)}"

    def entity(self, name: str) -> ir.Table:
        """The table of an entity."""
        return self._made[name] if self.schema is None else self.backend.table(name, database=self.schema)

    def add(self, name: str, rows: pa.Table) -> ir.Table:
        """A temporary table, filled by COPY."""
        schema = settled(ibis.schema(rows.schema))
        self._run(f"CREATE TEMP TABLE {quoted(name)} ({self._columns(schema)})")
        with told(self.address), self.connection.transaction():
            copy_in(self.connection, quoted(name), rows.schema, rows.to_batches())
        return self._made_table(name, schema)

    def _columns(self, schema: sch.Schema) -> str:
        types = self.backend.compiler.type_mapper
        return ", ".join(
            quoted(column) + " " + types.to_string(kind) + (BYTE_ORDER if kind.is_string() else "")
            for column, kind in schema.items()
        )

    def replace(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> None:
        """Fill new tables beside the old ones by COPY and give them their names, in one transaction."""
        with told(self.address), self.connection.transaction():
            if not self._has_schema():
                self._run(f"CREATE SCHEMA IF NOT EXISTS {quoted(str(self.schema))}")
            # Two loads at once would wait for each other's tables for ever; so the second waits here.
            self.connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"revgauge {self.schema}"])
            for name, rows in tables.items():
                fresh = self._in_schema(f"{name}__new")
                with rows() as reader:
                    columns = self._columns(settled(ibis.schema(reader.schema)))
                    self._run(f"DROP TABLE IF EXISTS {fresh}")
                    self._run(f"CREATE TABLE {fresh} ({columns})")
                    copy_in(self.connection, fresh, reader.schema, reader)
                self._run(f"ANALYZE {fresh}")
            views = self._kinds("v")
            for name in sorted({*tables, *gone}):
                self._run(f"DROP {'VIEW' if name in views else 'TABLE'} IF EXISTS {self._in_schema(name)}")
            for name in tables:
                self._run(f"ALTER TABLE {self._in_schema(f'{name}__new')} RENAME TO {quoted(name)}")

    def columns_at(self, place: Place) -> list[str]:
        """The columns of a table or view of the database."""
        schema, _, name = place.table.rpartition(".")
        found = self.connection.execute(
            "SELECT attname FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class AS held ON held.oid = attrelid "
            "JOIN pg_catalog.pg_namespace AS place ON place.oid = relnamespace WHERE nspname = %s AND relname = %s "
            "AND attnum > 0 AND NOT attisdropped AND has_table_privilege(held.oid, 'SELECT') ORDER BY attnum",
            [schema or "public", name],
        ).fetchall()
        if not found:
            raise EngineError(
                f"{self.address} has no table {place}, or the user may not read it. Correct `in_place`, or let an "
                f"administrator run `GRANT SELECT ON {place} TO {self.address.user or '...'}`."
            )
        return [str(column) for (column,) in found]

    def stand(self, name: str, place: Place, columns: Mapping[str, str]) -> None:
        """A view in the schema of the entities."""
        schema, _, table = place.table.rpartition(".")
        listed = ", ".join(f"{expression} AS {quoted(column)}" for column, expression in columns.items())
        with told(self.address), self.connection.transaction():
            if not self._has_schema():
                self._run(f"CREATE SCHEMA IF NOT EXISTS {quoted(str(self.schema))}")
            kind = "VIEW" if name in self._kinds("v") else "TABLE"
            self._run(f"DROP {kind} IF EXISTS {self._in_schema(name)}")
            source = f"{quoted(schema or 'public')}.{quoted(table)}"
            self._run(f"CREATE VIEW {self._in_schema(name)} AS SELECT {listed} FROM {source}")

    def _has_schema(self) -> bool:
        found = self.connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [self.schema])
        return found.fetchone() is not None

    def keep(self, name: str, expression: ir.Table, schema: sch.Schema) -> Pending[int]:
        """A temporary table with statistics, so that what reads it is planned well, and a view of all columns."""
        written = settled(expression.schema())
        query = self.written(expression, written)
        table = quoted(held(name))

        def kept() -> int:
            rows = self._run(f"CREATE TEMP TABLE {table} AS {query}").rowcount
            self._run(f"ANALYZE {table}")
            self._run(f"CREATE TEMP VIEW {quoted(name)} AS {self.seen(name, written.names, schema)}")
            return rows

        return self.lane.later(kept)

    def drop(self, name: str) -> Pending[Any]:
        """Drop the table and its view."""
        return self.lane.later(lambda: self._run(f"DROP TABLE {quoted(held(name))} CASCADE"))

    def query(self, expression: ir.Table, blanks: Blanks) -> sge.Query:
        """The expression as a query; letters have two cases as in Unicode, which the order by bytes knows of ASCII."""

        def cased(node: sge.Expression) -> sge.Expression:
            if isinstance(node, sge.Lower | sge.Upper):
                unicode = type(node)(this=_collated(node.this, LETTERS))
                return sge.Paren(this=_collated(sge.Paren(this=unicode), "C"))
            return node

        query: sge.Query = super().query(expression, blanks).transform(cased).assert_is(sge.Query)
        return query

    def _made_table(self, name: str, schema: sch.Schema) -> ir.Table:
        table = ops.DatabaseTable(name, schema=schema, source=self.backend).to_expr()
        self._made[name] = table
        return table

    def arrow(self, text: str, schema: sch.Schema) -> Pending[pa.Table]:
        """The rows of a query, by COPY."""
        return self.lane.later(lambda: self._copied(text, schema))

    def _copied(self, text: str, schema: sch.Schema) -> pa.Table:
        buffer = io.BytesIO()
        command = f"COPY ({text}) TO STDOUT (FORMAT csv)"
        with (
            told(self.address),
            self.connection.transaction(),
            self.connection.cursor() as cursor,
            cursor.copy(command.encode()) as copy,
        ):
            for block in copy:
                buffer.write(block)
        promised = schema.to_pyarrow()
        if not buffer.tell():
            return promised.empty_table()
        buffer.seek(0)
        return pa.csv.read_csv(
            buffer,
            pa.csv.ReadOptions(column_names=promised.names, block_size=BLOCK),
            pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pa.csv.ConvertOptions(
                column_types=promised,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )

    def _run(self, command: str) -> psycopg.Cursor[Any]:
        with told(self.address), self.connection.transaction():
            return self.connection.execute(command.encode())

    def close(self) -> None:
        """End the session; its temporary tables go with it."""
        self._whole.close()
        self.connection.close()


def _collated(text: sge.Expression, collation: str) -> sge.Expression:
    return sge.Collate(this=text, expression=sge.to_identifier(collation, quoted=True))


def copy_in(
    connection: psycopg.Connection[Any], table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> int:
    """Write batches of rows into a table by COPY; how many rows there were."""
    columns = ", ".join(map(quoted, schema.names))
    rows = 0
    options = pa.csv.WriteOptions(include_header=False)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)".encode()) as copy,
    ):
        for batch in batches:
            buffer = io.BytesIO()
            pa.csv.write_csv(batch, buffer, options)
            copy.write(buffer.getbuffer())
            rows += batch.num_rows
    return rows
