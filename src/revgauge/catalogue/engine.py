"""The engine: the one place that knows where tables stand and which database computes.

Everything above writes Ibis expressions. What differs between databases, or goes wrong quietly in one of them, is met
once in the helpers of this module: products of decimals, durations, days in the reporting time zone, small tables of
literals, quantiles.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pyarrow as pa
import sqlglot as sg

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import IBIS_TYPES
from revgauge.model.store import META_TABLES, create_entity_table

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONEY = dt.Decimal(38, 14)
"""The type of converted amounts and of sums of money: six places of the amount and eight of the rate."""


@dataclass
class Step:
    """One piece of work of the engine: for progress, and for the plan that a build prints."""

    name: str
    kind: str
    reads: tuple[str, ...]
    seconds: float
    rows: int


@dataclass
class Journal:
    """What the engine did, in order."""

    steps: list[Step] = field(default_factory=list)

    def scans(self) -> dict[str, int]:
        """How often each table was read."""
        counts: dict[str, int] = {}
        for step in self.steps:
            for table in step.reads:
                counts[table] = counts.get(table, 0) + 1
        return counts


class Warehouse:
    """A database that holds the entities and computes everything else."""

    def __init__(self, backend: Any, entities: str | None = None) -> None:
        """Use an Ibis backend; `entities` names the attached database in which the entities stand."""
        self.backend = backend
        self.entities_database = entities
        self.journal = Journal()
        self._names = itertools.count(1)
        self._tables = set(backend.list_tables(database=self._qualified()))
        self._fields: dict[str, dict[str, tuple[int, int]]] | None = None
        self._empty: dict[str, ir.Table] = {}

    def _qualified(self) -> tuple[str, str] | None:
        return (self.entities_database, "main") if self.entities_database else None

    @classmethod
    def in_memory(cls) -> Warehouse:
        """An empty database in memory."""
        return cls.over(duckdb.connect())

    @classmethod
    def of_empty_entities(cls) -> Warehouse:
        """Every entity loaded, with all of its fields and no row: enough to see what a definition could be asked."""
        connection = duckdb.connect()
        connection.execute(f"CREATE TABLE loaded_fields ({META_TABLES['loaded_fields']})")
        for entity in ENTITIES.values():
            create_entity_table(connection, entity.name)
            rows = [(entity.name, field.name, 0, 0) for field in entity.fields]
            connection.executemany("INSERT INTO loaded_fields VALUES (?, ?, ?, ?)", rows)
        return cls.over(connection)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection below, for what loads tables into it."""
        connection: duckdb.DuckDBPyConnection = self.backend.con
        return connection

    @classmethod
    def over(cls, connection: duckdb.DuckDBPyConnection) -> Warehouse:
        """The entities of an open DuckDB connection."""
        return cls(ibis.duckdb.from_connection(connection))

    @classmethod
    def open(cls, store: Path, *, memory_limit: str | None = None, threads: int | None = None) -> Warehouse:
        """The entities of a store file, read only; everything else is computed beside it in memory.

        Raises FileNotFoundError if nothing was ever loaded there.
        """
        if not store.exists():
            raise FileNotFoundError(store)
        connection = duckdb.connect()
        if memory_limit:
            connection.execute(f"SET memory_limit = '{memory_limit}'")
        if threads:
            connection.execute(f"SET threads = {threads}")
        connection.execute("SET preserve_insertion_order = false")
        quoted = str(store).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS entities (READ_ONLY)")
        return cls(ibis.duckdb.from_connection(connection), "entities")

    def loaded(self, entity: str) -> bool:
        """Whether anything was ever loaded for the entity."""
        return entity in self._tables

    def fields(self, entity: str) -> Mapping[str, tuple[int, int]]:
        """The fields that a source fills: rows of the entity, and rows in which the field is not empty."""
        if self._fields is None:
            self._fields = {}
            if "loaded_fields" in self._tables:
                table = self.backend.table("loaded_fields", database=self._qualified())
                for row in self.backend.to_pyarrow(table).to_pylist():
                    counts = (int(row["rows"]), int(row["filled"]))
                    self._fields.setdefault(row["entity"], {})[row["field"]] = counts
        return self._fields.get(entity, {})

    def entity(self, name: str) -> ir.Table:
        """The table of a loaded entity."""
        return self.backend.table(name, database=self._qualified())

    def empty(self, name: str) -> ir.Table:
        """A table of the entity's shape without rows, for an entity that may be absent."""
        if name not in self._empty:
            schema = ibis.schema({item.name: IBIS_TYPES[item.type] for item in ENTITIES[name].fields})
            self._empty[name] = self.backend.create_table(f"empty_{name}", schema=schema, temp=True)
        return self._empty[name]

    def literal_table(self, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> ir.Table:
        """A small table of given values; `columns` are names and Ibis types."""
        schema = ibis.schema(dict(columns))
        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        arrow = pa.Table.from_pylist(listed, schema=schema.to_pyarrow())
        name = f"given_{next(self._names)}"
        self.connection.register(f"{name}_rows", arrow)
        self.connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {name}_rows")
        self.connection.unregister(f"{name}_rows")
        return self.backend.table(name, database=("temp", "main"))

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """Compute the expression once and keep its rows under a name of their own."""
        began = time.perf_counter()
        table = self.backend.create_table(f"{name}_{next(self._names)}", expression, temp=True)
        rows = int(self.backend.to_pyarrow(table.count()).as_py())
        self.journal.steps.append(Step(name, "table", self._sources(expression), time.perf_counter() - began, rows))
        return table

    def fetch(self, expression: ir.Table, name: str = "query") -> pa.Table:
        """Compute the expression and bring its rows here."""
        began = time.perf_counter()
        answer: pa.Table = self.backend.to_pyarrow(expression)
        self.journal.steps.append(
            Step(name, "query", self._sources(expression), time.perf_counter() - began, answer.num_rows)
        )
        return answer

    def grouped(
        self,
        table: ir.Table,
        always: Sequence[str],
        cuts: Sequence[Sequence[str]],
        aggregates: Mapping[str, Any],
        name: str = "query",
    ) -> pa.Table:
        """One pass over the rows, aggregated by the columns `always` and each set of columns in `cuts` in turn.

        A row of the answer belongs to the cut whose columns are filled: cut columns must never be empty themselves.
        Ibis knows no grouping sets, so its query by all columns at once is given them before it runs; every database
        that is supported has them.
        """
        every = list(dict.fromkeys(column for cut in cuts for column in cut))
        expression = table.group_by(*always, *every).aggregate(**aggregates)
        if [set(cut) for cut in cuts] == [set(every)]:
            return self.fetch(expression, name)
        began = time.perf_counter()
        query = sg.parse_one(self.backend.compile(expression), dialect=self.backend.dialect).assert_is(sg.exp.Select)
        selected = {column.alias_or_name: column.unalias() for column in query.selects}
        sets = [sg.exp.Tuple(expressions=[selected[column].copy() for column in (*always, *cut)]) for cut in cuts]
        query.set("group", sg.exp.Group(grouping_sets=[sg.exp.GroupingSets(expressions=sets)]))
        answer = self.backend.raw_sql(query.sql(dialect=self.backend.dialect)).to_arrow_table()
        seconds = time.perf_counter() - began
        self.journal.steps.append(Step(name, "query", self._sources(expression), seconds, answer.num_rows))
        return answer

    def pairs(self, expression: ir.Table) -> list[tuple[Any, ...]]:
        """The rows of a small expression as tuples."""
        return [tuple(row.values()) for row in self.fetch(expression, "lookup").to_pylist()]

    @staticmethod
    def _sources(expression: ir.Table) -> tuple[str, ...]:
        return tuple(sorted(node.name for node in expression.op().find(ops.DatabaseTable)))

    def close(self) -> None:
        """End the connection."""
        self.backend.disconnect()


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp()), dt.Timestamp(timezone="UTC")))  # type: ignore[untyped-decorator]  # Ibis has no types there
def _as_zone(zone: str, moment: Any) -> Any:
    """The instant that a wall clock in the zone shows."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp(timezone="UTC")), dt.Timestamp()))  # type: ignore[untyped-decorator]  # Ibis has no types there
def _in_zone(zone: str, moment: Any) -> Any:
    """What a wall clock in the zone shows at the instant."""


def wall_clock(moment: Any, zone: str) -> Any:
    """The wall-clock time of a UTC instant in the zone."""
    return moment if zone == "UTC" else _in_zone(zone, _as_zone("UTC", moment))


def local_day(moment: Any, zone: str) -> Any:
    """The calendar day in the zone on which a UTC instant falls."""
    return wall_clock(moment, zone).cast("date")


def instant_of(wall: Any, zone: str) -> Any:
    """The UTC instant at which a wall clock in the zone shows that time."""
    return wall if zone == "UTC" else _in_zone("UTC", _as_zone(zone, wall))


def times(amount: Any, rate: Any) -> Any:
    """An amount converted by a rate, exactly: a product of decimals has the places of both.

    The amount is widened first, since DuckDB keeps the product of two decimals of 18 digits in 18; by no more, since
    Spark drops places when the digits of both together pass 38.
    """
    return (amount.cast("decimal(20, 8)") * rate.cast("decimal(18, 8)")).cast(MONEY)


def as_money(number: Any) -> Any:
    """A number in the type of converted amounts."""
    return number.cast(MONEY)


def seconds_between(start: Any, end: Any) -> Any:
    """Elapsed seconds from one instant to another, whole."""
    # The start comes first, since a literal cannot have a column that is not resolved yet taken from it.
    return -start.epoch_seconds().cast("int64") + end.epoch_seconds().cast("int64")


def days_between(start: Any, end: Any) -> Any:
    """Elapsed days from one instant to another, with fractions."""
    return seconds_between(start, end).cast("float64") / 86400.0


def flag(condition: Any) -> Any:
    """1 where the condition holds, else 0 (also where it is not known)."""
    return ibis.ifelse(condition.fill_null(False), 1, 0).cast("int64")


def day_literal(day: date) -> Any:
    """A calendar day as a literal."""
    return ibis.literal(day.isoformat()).cast("date")


def to_decimal(value: Any) -> Decimal:
    """A number that came from the database as an exact decimal."""
    return value if isinstance(value, Decimal) else Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
