"""The warehouse: the entities, what is computed from them, and a journal of the work."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import ibis
import ibis.expr.operations as ops
import pyarrow as pa

from revgauge import __version__
from revgauge.catalogue.engine import identity
from revgauge.catalogue.engine.base import Engine, settled
from revgauge.catalogue.engine.duck import DuckDB
from revgauge.catalogue.engine.kept import Kept, Shelf
from revgauge.catalogue.engine.lane import Pending
from revgauge.catalogue.engine.recall import Recall
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import IBIS_TYPES
from revgauge.model.store import META_TABLES, create_entity_table

if TYPE_CHECKING:
    import ibis.expr.types as ir


AHEAD = 100
"""How many queries may be written before the answer to the first of them is taken."""

StepKind = Literal["table", "query", "recalled"]


@dataclass
class Step:
    """One piece of work of the engine: for progress, and for the plan that a build prints."""

    name: str
    kind: StepKind
    reads: tuple[str, ...]
    """The tables that it read; none where the answer of an earlier build still holds."""
    seconds: float
    rows: int
    columns: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    """The metrics that an answer is for."""

    def took(self, rows: int, seconds: float) -> None:
        """Note that it is done."""
        self.rows, self.seconds = rows, seconds


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


@dataclass(frozen=True)
class Grouping:
    """Rows aggregated by the columns `always` and each set of columns in `cuts` in turn.

    A row of the answer belongs to the cut whose columns are filled: cut columns must never be empty themselves.
    """

    expression: ir.Table
    """The rows aggregated by all columns at once."""
    always: tuple[str, ...]
    cuts: tuple[tuple[str, ...], ...]
    name: str = "query"
    serves: tuple[str, ...] = ()
    """The metrics that it is for."""

    @classmethod
    def of(
        cls,
        table: ir.Table,
        always: Mapping[str, Any],
        cuts: Sequence[Sequence[str]],
        aggregates: Mapping[str, Any],
        *,
        name: str = "query",
        serves: Sequence[str] = (),
    ) -> Grouping:
        """The grouping of the rows of a table by columns of it, and always by those given with their names."""
        every = list(dict.fromkeys(column for cut in cuts for column in cut))
        expression = table.group_by(*every, **always).aggregate(**aggregates)
        return cls(expression, tuple(always), tuple(tuple(cut) for cut in cuts), name, tuple(serves))

    @property
    def several(self) -> bool:
        """Whether there is more than one way to group."""
        every = {column for cut in self.cuts for column in cut}
        return any(set(cut) != every for cut in self.cuts)


class Warehouse:
    """A database that holds the entities and computes everything else."""

    def __init__(self, engine: Engine) -> None:
        """Use a database that is open."""
        self.engine = engine
        self.frugal = False
        """Whether a kept table is dropped when its last foreseen reader has read it."""
        self.recall: Recall | None = None
        """Answers of earlier builds, if they may be used."""
        self.journal = Journal()
        self._shelf = Shelf()
        self._names = itertools.count(1)
        self._identities: dict[str, str] = {}
        """Of each table that can be read, where it is known."""
        self._tables = engine.tables()
        self._fields: dict[str, dict[str, tuple[int, int]]] | None = None
        self._empty: dict[str, ir.Table] = {}

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
    def backend(self) -> Any:
        """The Ibis backend."""
        return self.engine.backend

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection below, for what loads tables into it; TypeError where another database computes."""
        if not isinstance(self.engine, DuckDB):
            raise TypeError(f"{self.engine.name} has no DuckDB connection")
        return self.engine.connection

    @classmethod
    def over(cls, connection: duckdb.DuckDBPyConnection) -> Warehouse:
        """The entities of an open DuckDB connection."""
        return cls(DuckDB(connection))

    @classmethod
    def open(cls, store: Path, *, memory_limit: str | None = None, threads: int | None = None) -> Warehouse:
        """The entities of a store file, read only; everything else is computed beside it in memory.

        Raises FileNotFoundError if nothing was ever loaded there.
        """
        return cls(DuckDB.open(store, memory_limit=memory_limit, threads=threads))

    def loaded(self, entity: str) -> bool:
        """Whether anything was ever loaded for the entity."""
        return entity in self._tables

    def fields(self, entity: str) -> Mapping[str, tuple[int, int]]:
        """The fields that a source fills: rows of the entity, and rows in which the field is not empty."""
        if self._fields is None:
            self._fields = {}
            for listed in {"loaded_fields", "in_place_fields"} & self._tables:
                for row in self.engine.fetch(self.engine.entity(listed)).to_pylist():
                    counts = (int(row["rows"]), int(row["filled"]))
                    self._fields.setdefault(row["entity"], {})[row["field"]] = counts
        return self._fields.get(entity, {})

    def entity(self, name: str) -> ir.Table:
        """The table of a loaded entity."""
        return self.engine.entity(name)

    def remember(self, recall: Recall) -> None:
        """Use answers of earlier builds where they still hold, and keep those of this one.

        That takes a store that says which version of each entity it holds; without, everything is computed.
        """
        if "entity_versions" in self._tables:
            self.recall = recall
            software = (
                f"revgauge {__version__} on {self.engine.name}, duckdb {duckdb.__version__}, ibis {ibis.__version__}"
            )
            for row in self.engine.fetch(self.engine.entity("entity_versions")).to_pylist():
                version = (software, row["entity"], str(row["rows"]), row["content"])
                self._identities[row["entity"]] = identity.digest(*version)

    def empty(self, name: str) -> ir.Table:
        """A table of the entity's shape without rows, for an entity that may be absent."""
        if name not in self._empty:
            schema = ibis.schema({item.name: IBIS_TYPES[item.type] for item in ENTITIES[name].fields})
            self._empty[name] = self._added(f"empty_{name}", schema.to_pyarrow().empty_table())
        return self._empty[name]

    def literal_table(self, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> ir.Table:
        """A small table of given values; `columns` are names and Ibis types."""
        schema = ibis.schema(dict(columns))
        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        arrow = pa.Table.from_pylist(listed, schema=schema.to_pyarrow())
        return self._added(f"given_{next(self._names)}", arrow)

    def _added(self, name: str, rows: pa.Table) -> ir.Table:
        if self.recall is not None:
            self._identities[name] = identity.of_rows(rows)
        return self.engine.add(name, rows)

    def keep(self, name: str, expression: ir.Table, *, lasting: bool = False) -> ir.Table:
        """The expression as a table of its own, computed once: when it is first read.

        A `lasting` one has all of its columns and is never dropped, whoever is foreseen to read it.
        """
        table = Kept(f"{name}_{next(self._names)}", name, expression, settled(expression.schema()), lasting)
        self._shelf.add(table)
        if self.recall is not None and (known := identity.of_expression(expression, self._identities)):
            self._identities[table.name] = known
        return self.engine.promised(table.name, table.schema)

    def foresee(self, groupings: Iterable[Grouping]) -> None:
        """Say what will be read, so that kept tables are computed with the columns that somebody needs, and no more."""
        recall = self.recall
        asked = ((grouping, self._question(grouping)) for grouping in groupings)
        self._shelf.foresee(
            grouping.expression
            for grouping, question in asked
            if recall is None or question is None or not recall.knows(question)
        )

    @contextmanager
    def _ready(self, expression: ir.Table, columns: Iterable[str] | None = None) -> Iterator[None]:
        """With the tables that an expression reads, made before where they do not stand there."""
        found = self._shelf.read_by(expression, columns)
        tables = [self._shelf[name] for name in found]
        for table in tables:
            table.in_use += 1
        try:
            for table in tables:
                self._compute(table, found[table.name])
            yield
        finally:
            for table in tables:
                table.in_use -= 1
        for table in tables:
            table.readers.discard(expression.op())
            if self.frugal and table.done_with and table.made is not None:
                self._drop(table)

    def _compute(self, table: Kept, needed: set[str]) -> None:
        """Make a kept table with the columns that are needed and those that readers are known to want."""
        table.forget_failure()
        if table.made is not None and needed <= table.made:
            return
        everything = table.whole or table.made is not None
        columns = [name for name in table.columns if everything or name in table.wanted or name in needed]
        columns = columns or list(table.columns[:1])
        if table.made is not None:
            self._drop(table)
        with self._ready(table.expression, columns):
            made = self.engine.keep(table.name, table.expression.select(*columns), table.schema)
            table.made, table.making, table.waits = frozenset(columns), made, self._in_order(made)
        step = Step(table.label, "table", self._sources(table.expression), 0.0, 0, tuple(columns))
        self.journal.steps.append(step)
        made.then(step.took)

    def _drop(self, table: Kept) -> None:
        table.made, table.waits = None, self._in_order(self.engine.drop(table.name))

    def _in_order(self, pending: Pending[Any]) -> Pending[Any] | None:
        """Work that waits for its turn; None where it is done before everything that waits."""
        return None if self.engine.lane.urgent else pending

    def fetch(self, expression: ir.Table, name: str = "query") -> pa.Table:
        """Compute the expression and bring its rows here, in the types that Ibis promises."""
        rows = self.grouped(Grouping(expression, (), (), name))
        return rows.cast(expression.schema().to_pyarrow())

    def grouped(self, grouping: Grouping) -> pa.Table:
        """One pass over the rows for all cuts of a grouping."""
        (answer,) = self.answers([grouping])
        return answer

    def answers(self, groupings: Iterable[Grouping]) -> Iterator[pa.Table]:
        """A pass over the rows for each grouping, in order; while one runs the next ones are written."""
        asked: deque[Pending[pa.Table]] = deque()
        for grouping in groupings:
            asked.append(self._asked(grouping))
            while len(asked) > AHEAD:
                yield self.engine.lane.wait(asked.popleft())
        while asked:
            yield self.engine.lane.wait(asked.popleft())

    def _asked(self, grouping: Grouping) -> Pending[pa.Table]:
        """The answer of an earlier build, if the same was asked of the same rows; else a new one, in its turn."""
        columns = tuple(grouping.expression.columns)
        question, recall = self._question(grouping), self.recall
        earlier = recall.answer(question) if recall is not None and question is not None else None
        if earlier is not None:
            step = Step(grouping.name, "recalled", (), 0.0, earlier.num_rows, columns, grouping.serves)
            self.journal.steps.append(step)
            return Pending.known(earlier)
        with self._ready(grouping.expression):
            pending = self._computed(grouping)
        step = Step(grouping.name, "query", self._sources(grouping.expression), 0.0, 0, columns, grouping.serves)
        self.journal.steps.append(step)

        def told(answer: pa.Table, seconds: float) -> None:
            step.took(answer.num_rows, seconds)
            if recall is not None and question is not None:
                recall.keep(question, answer)

        pending.then(told)
        return pending

    def _question(self, grouping: Grouping) -> str | None:
        """What identifies a question and the rows it is asked of; None where that is not known."""
        if self.recall is None:
            return None
        known = identity.of_expression(grouping.expression, self._identities)
        return known and identity.digest(known, repr((grouping.always, grouping.cuts)))

    def _computed(self, grouping: Grouping) -> Pending[pa.Table]:
        """The rows of a grouping over tables that stand there."""
        schema, always = grouping.expression.schema(), grouping.always
        sets = tuple((*always, *cut) for cut in grouping.cuts) if grouping.several else ()
        return self.engine.arrow(self.engine.written(grouping.expression, schema, sets), schema)

    def pairs(self, expression: ir.Table) -> list[tuple[Any, ...]]:
        """The rows of a small expression as tuples; before all that waits, if nothing of it is needed for them."""
        with self.engine.lane.ahead() if self._shelf.stands(expression) else nullcontext():
            return [tuple(row.values()) for row in self.fetch(expression, "lookup").to_pylist()]

    @staticmethod
    def _sources(expression: ir.Table) -> tuple[str, ...]:
        return tuple(sorted(node.name for node in expression.op().find(ops.PhysicalTable)))

    def close(self) -> None:
        """End the connection."""
        self.engine.close()
