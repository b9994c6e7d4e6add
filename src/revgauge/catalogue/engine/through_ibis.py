"""A database that is reached through Ibis alone, by what Ibis offers for all that it speaks to.

It asks for little: tables and views can be made and dropped in one schema, and a statement is done wholly or not at
all. Tables that are loaded get names of their own; which of them stand for which entities is written down in one table,
by one statement for each load, so that a reader sees all of the old ones or all of the new ones. What is computed
stands in tables with the stamp of the session, since many such databases have no temporary ones.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import ibis
import ibis.expr.schema as sch
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.common.exceptions import IbisError

from revgauge.catalogue.engine.address import Address
from revgauge.catalogue.engine.base import Engine, EngineError, Rows, settled
from revgauge.catalogue.engine.forms import Blanks
from revgauge.catalogue.engine.lane import Pending
from revgauge.catalogue.engine.meaning import NotThere, Rule
from revgauge.catalogue.engine.reasons import masked
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import IBIS_TYPES

if TYPE_CHECKING:
    import ibis.expr.types as ir

STANDING = "revgauge_tables"
"""The table that says, for each load, which tables stand for which names."""

STATED = pa.schema([("load", pa.int64()), ("stamp", pa.string()), ("name", pa.string()), ("stands", pa.string())])

STAMPED = re.compile(r"(?:revgauge_(?P<made>[0-9a-f]{8})[0-9a-f]{4}_|.+__(?P<loaded>[0-9a-f]{8})[0-9a-f]{4}$)")
"""The beginning or end of the name of a table that a session or a load made, with the second in which it began."""

FORGOTTEN = 24 * 60 * 60
"""Seconds after which a table that nothing names was left behind by a session that was killed."""

MANY = 500_000
"""Rows that are sent at a time."""

LONG = 500
"""Letters of what a database says that are passed on."""


@dataclass(frozen=True)
class Standing:
    """Which tables stand for which names, since a load."""

    load: int = 0
    tables: Mapping[str, str] = field(default_factory=dict)


class ThroughIbis(Engine):
    """Tables in one schema of a database, by Ibis alone."""

    def __init__(
        self, backend: Any, address: Address, rules: Mapping[type, Rule], *, project: bool = True, secret: str = ""
    ) -> None:
        """Use an Ibis back end that is connected; what it says is told without the `secret`.

        The entities are those that were loaded there for a `project`, as they stand now, or else those that are added.
        Raises EngineError.
        """
        self.backend = backend
        self.address = address
        self.name = address.kind
        self.rules = rules
        self.stamp = self.stamp_of(time.time())
        self._secret = secret
        self._made: dict[str, ir.Table] = {}
        self._loaded = (self._standing() if project else Standing()).tables
        self._stands = dict(self._loaded)
        """Under which name stands what queries know by another."""

    @staticmethod
    def stamp_of(second: float) -> str:
        """What tells the tables of a session or a load that begins in a second from those of others."""
        return f"{int(second):08x}{secrets.token_hex(2)}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the database refuses while the block runs; drivers have no errors in common."""
        try:
            yield
        except EngineError:
            raise
        except Exception as error:
            said = masked(" ".join(str(error).split()) or type(error).__name__, self._secret)
            raise EngineError(f"{self.address} cannot go on: {said[:LONG].rstrip('.')}.") from error

    def tables(self) -> set[str]:
        """The names of the entities that were loaded or added."""
        return {*self._loaded, *self._made}

    def entity(self, name: str) -> ir.Table:
        """The table of an entity, in the types that the entity has: databases differ in how they keep them."""
        if name not in self._made:
            with self._told():
                there = self.backend.get_schema(self._loaded[name])
            known = {item.name: IBIS_TYPES[item.type] for item in ENTITIES[name].fields} if name in ENTITIES else {}
            schema = settled(ibis.schema({column: known.get(column, kind) for column, kind in there.items()}))
            self._made[name] = self.promised(name, schema)
        return self._made[name]

    def add(self, name: str, rows: pa.Table) -> ir.Table:
        """A table of the session."""
        schema = settled(ibis.schema(rows.schema))
        self._fill(self._own(name), rows.to_reader())
        self._made[name] = self.promised(name, schema)
        return self._made[name]

    def _own(self, name: str) -> str:
        """The name under which a table of the session stands from now on."""
        self._stands[name] = f"revgauge_{self.stamp}_{name}"
        return self._stands[name]

    def _fill(self, name: str, rows: pa.RecordBatchReader) -> None:
        with self._told():
            self.backend.create_table(name, schema=settled(ibis.schema(rows.schema)))
            waiting: list[pa.RecordBatch] = []
            for batch in rows:
                waiting.append(batch)
                if sum(each.num_rows for each in waiting) >= MANY:
                    self.backend.insert(name, pa.Table.from_batches(waiting))
                    waiting = []
            if any(batch.num_rows for batch in waiting):
                self.backend.insert(name, pa.Table.from_batches(waiting))

    def query(self, expression: ir.Table, blanks: Blanks) -> sge.Query:
        """The expression as a query, in so far as it can be one here."""
        try:
            return super().query(expression, blanks)
        except (IbisError, NotImplementedError, NotThere) as error:
            raise EngineError(f"{self.name} cannot compute something that is needed: {error}.") from error

    def stands_as(self, name: str) -> str:
        """The name with the stamp of the load or the session."""
        return self._stands.get(name, name)

    def keep(self, name: str, expression: ir.Table, schema: sch.Schema) -> Pending[int]:
        """A table of the session, with all columns of the schema."""
        written = settled(expression.schema())
        seen = self.text(self.all_columns(written.names, schema))
        text = f"{seen} FROM ({self.written(expression, written)}) AS found"
        table = self._own(name)

        def kept() -> int:
            with self._told():
                self.backend.create_table(table, self.backend.sql(text, schema=settled(schema)))
                return int(self.backend.table(table).count().to_pyarrow().as_py())

        return self.lane.later(kept)

    def drop(self, name: str) -> Pending[None]:
        """Drop a table of the session."""
        return self.lane.later(lambda: self._drop(self._stands.pop(name)))

    def _drop(self, name: str, kind: Literal["TABLE", "VIEW"] = "TABLE") -> None:
        # What Ibis itself drops with has no name in it any more as sqlglot writes it (Ibis 12.0, sqlglot 30).
        shown = sge.to_identifier(name, quoted=True).sql(self.backend.dialect)
        with self._told(), self.backend._safe_raw_sql(f"DROP {kind} IF EXISTS {shown}"):  # noqa: SLF001 - closes cursors
            pass

    def arrow(self, text: str, schema: sch.Schema) -> Pending[pa.Table]:
        """The rows of a query."""
        return self.lane.later(lambda: self._rows(text, schema))

    def _rows(self, text: str, schema: sch.Schema) -> pa.Table:
        with self._told():
            found: pa.Table = self.backend.sql(text, schema=schema).to_pyarrow()
        return found.cast(settled(schema).to_pyarrow())

    def _standing(self) -> Standing:
        """What stands there since the last load."""
        with self._told():
            if STANDING not in self.backend.list_tables():
                return Standing()
            listed = self.backend.table(STANDING)
            rows = listed.filter(listed.load == listed.load.max().as_scalar()).to_pyarrow().to_pylist()
        # Two loads at once may have the same number: then one of them counts for everybody, whole.
        last = max(row["stamp"] for row in rows)
        return Standing(rows[0]["load"], {row["name"]: row["stands"] for row in rows if row["stamp"] == last})

    def replace(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> None:
        """Fill new tables, and state in one step that they stand for the old ones; views show them to others."""
        before = self._standing()
        with self._told():
            there = set(self.backend.list_tables())
        if strange := sorted((tables.keys() & there) - before.tables.keys()):
            raise EngineError(
                f"{self.address} has {', '.join(strange)} already, and RevGauge did not make it. Name a schema of its "
                "own in `warehouse`."
            )
        stamp = self.stamp_of(time.time())
        fresh = {name: f"{name}__{stamp}" for name in tables}
        try:
            for name, rows in tables.items():
                with rows() as reader:
                    self._fill(fresh[name], reader)
            now = {name: table for name, table in before.tables.items() if name not in gone} | fresh
            self._state(before.load + 1, stamp, now, there)
        except BaseException:
            for table in fresh.values():
                self._drop(table)
            raise
        self._loaded = now
        self._stands |= now
        with self._told():
            for name, table in fresh.items():
                self.backend.create_view(name, self.backend.table(table), overwrite=True)
        for name in before.tables.keys() & set(gone):
            self._drop(name, "VIEW")
        self._clean(there, {*before.tables.values(), *now.values()})

    def _state(self, load: int, stamp: str, tables: Mapping[str, str], there: Collection[str]) -> None:
        rows = [{"load": load, "stamp": stamp, "name": name, "stands": table} for name, table in tables.items()]
        with self._told():
            if STANDING not in there:
                self.backend.create_table(STANDING, schema=ibis.schema(STATED))
            self.backend.insert(STANDING, pa.Table.from_pylist(rows, STATED))

    def _clean(self, there: Collection[str], needed: Collection[str]) -> None:
        """Drop what no load needs: what stood before the last one, which somebody may still read, has to stay."""
        for table in sorted(set(there) - set(needed)):
            found = STAMPED.match(table)
            began = found and int(found["made"] or found["loaded"], 16)
            if began and time.time() - began > FORGOTTEN:
                self._drop(table)

    def close(self) -> None:
        """Drop the tables of the session and end the connection."""
        for name in self._stands.keys() - self._loaded.keys():
            with suppress(EngineError):  # the connection may be gone; a load drops a day later what is left
                self._drop(self._stands[name])
        self.backend.disconnect()
