"""What a database has to offer: few things, so that another one is added quickly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pyarrow as pa
import sqlglot as sg
import sqlglot.expressions as sge

from revgauge.catalogue.engine import identity
from revgauge.catalogue.engine.forms import Blanks, Form, Forms, Wording, writers
from revgauge.catalogue.engine.lane import Lane, Pending
from revgauge.catalogue.engine.meaning import Rule, rewritten

if TYPE_CHECKING:
    import ibis.expr.types as ir


def settled(schema: sch.Schema) -> sch.Schema:
    """The columns of a table that is made: instants in microseconds, as the entities have them."""
    instant = dt.Timestamp(scale=6)
    return sch.Schema({name: instant if kind.is_timestamp() else kind for name, kind in schema.items()})


def held(name: str) -> str:
    """The table of a kept one's rows, where what has its name is a view of all columns."""
    return f"{name}_held"


class EngineError(Exception):
    """A database cannot be reached or does not let us work; the text says what is wrong and what to do."""


Sets = tuple[tuple[str, ...], ...]
"""Sets of columns by which rows are grouped in turn; none where they are grouped in one way."""


def grouped(query: sge.Query, sets: Sets) -> sge.Query:
    """A query that groups by all columns at once, made to group by each set of them in turn.

    Ibis knows no grouping sets; every database that is supported has them.
    """
    if not sets:
        return query
    select = query.assert_is(sge.Select)
    selected = {column.alias_or_name: column.unalias() for column in select.selects}
    listed = [sge.Tuple(expressions=[selected[column].copy() for column in columns]) for columns in sets]
    select.set("group", sge.Group(grouping_sets=[sge.GroupingSets(expressions=listed)]))
    return select


Rows = Callable[[], pa.RecordBatchReader]
"""Opens the rows of a table for reading, batch by batch."""


@dataclass(frozen=True)
class Place:
    """A table that stands there already: by its schema and name, or as Parquet files."""

    table: str = ""
    parquet: str = ""

    def __str__(self) -> str:
        """The place in words."""
        return self.table or self.parquet


class Engine(ABC):
    """A database that holds the entities and computes everything else."""

    name: str
    backend: Any
    """The Ibis backend."""

    rules: Mapping[type, Rule] = {}
    """How operations are written so that they mean here what they mean elsewhere."""

    lane = Lane()
    """In which order the database works, and whether beside its caller."""

    forms = Forms()
    """Queries as they were written before."""

    @abstractmethod
    def tables(self) -> set[str]:
        """The names of the tables that stand where the entities do."""

    @abstractmethod
    def entity(self, name: str) -> ir.Table:
        """The table of an entity."""

    @abstractmethod
    def add(self, name: str, rows: pa.Table) -> ir.Table:
        """Make a table of rows from here, in bulk, for as long as the engine is open."""

    def promised(self, name: str, schema: sch.Schema) -> ir.Table:
        """A table that will be kept under this name."""
        return ops.DatabaseTable(name, schema=schema, source=self.backend).to_expr()

    @abstractmethod
    def keep(self, name: str, expression: ir.Table, schema: sch.Schema) -> Pending[int]:
        """Compute a table and hold its rows until the engine is closed or it is dropped; how many there are.

        It is seen with all columns of the schema: those that the expression does not give are empty.
        """

    @abstractmethod
    def drop(self, name: str) -> Pending[Any]:
        """Forget a table that was kept."""

    @abstractmethod
    def arrow(self, text: str, schema: sch.Schema) -> Pending[pa.Table]:
        """The rows of a query, as this database reads it, that has these columns."""

    @abstractmethod
    def replace(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> None:
        """Put tables where the entities stand, in bulk and in one step, and remove those that are gone.

        Whoever reads meanwhile sees all of the old ones or all of the new ones; an error or a kill changes nothing.
        """

    def columns_at(self, place: Place) -> list[str]:
        """The columns of a table that stands there already. Raises EngineError where there is none."""
        raise EngineError(f"{self.name} cannot read {place} where it stands. Load it as a table of a source instead.")

    def stand(self, name: str, place: Place, columns: Mapping[str, str]) -> None:
        """Read an entity from a table that stands there already; `columns` are names and their expressions."""
        raise EngineError(f"{self.name} cannot read {place} where it stands; {name} has {len(columns)} columns there.")

    @abstractmethod
    def close(self) -> None:
        """Forget what was kept and end the connection."""

    def fetch(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression, in the types that Ibis promises."""
        schema = expression.schema()
        return self.lane.wait(self.arrow(self.written(expression, schema), schema)).cast(schema.to_pyarrow())

    def seen(self, name: str, columns: Collection[str], schema: sch.Schema) -> str:
        """The query that shows a kept table, of which some columns are held, with all columns of a schema."""
        return self.text(self.all_columns(columns, schema).from_(sg.to_identifier(held(name), quoted=True)))

    def all_columns(self, columns: Collection[str], schema: sch.Schema) -> sge.Select:
        """All columns of a schema, of which only some are there: the others are empty."""
        types = self.backend.compiler.type_mapper
        return sg.select(
            *(
                sg.column(column, quoted=True)
                if column in columns
                else sge.alias_(sg.cast(sge.Null(), types.from_ibis(kind)), column, quoted=True)
                for column, kind in schema.items()
            )
        )

    def written(self, expression: ir.Table, schema: sch.Schema, sets: Sets = ()) -> str:
        """The query of an expression, with its columns in the types of a schema, as this database reads it.

        With `sets` its rows are grouped by each of these in turn.
        """
        wording = Wording.of(expression)
        writer = f"{type(self).__name__} {self.name} {type(self.backend.compiler).__qualname__}"
        key = identity.digest(writers(), writer, wording.asked, repr((schema, sets)))
        form = self.forms.of(key, lambda: self._form(expression, wording, schema, sets))
        return form.filled([*map(self._named, map(self.stands_as, wording.tables)), *map(self._said, wording.days)])

    def _form(self, expression: ir.Table, wording: Wording, schema: sch.Schema, sets: Sets) -> Form:
        blanks = Blanks(wording)
        text = self.text(self.typed(grouped(self.query(expression, blanks), sets), schema))
        marks = [*map(self._named, blanks.tables.values()), *map(self._said, blanks.days.values())]
        return Form.cut(text, marks)

    def stands_as(self, name: str) -> str:
        """The name in the database of a table that queries know by this one."""
        return name

    def _named(self, name: str) -> str:
        return sg.to_identifier(name, quoted=True).sql(dialect=self.backend.dialect)

    def _said(self, text: str) -> str:
        return sge.convert(text).sql(dialect=self.backend.dialect)

    def query(self, expression: ir.Table, blanks: Blanks) -> sge.Query:
        """The expression as a query of this database, with blanks for what differs from day to day."""
        # Ibis lets parts of the query that are equal be one object, and writing a query out changes objects in place: a
        # semi or anti join that stands in two places would be lost in one of them. A copy has each part for itself.
        compiler = blanks.left_by(self.backend.compiler)
        query: sge.Query = compiler.to_sqlglot(rewritten(expression, self.rules)).copy()
        return query

    def text(self, query: sge.Query) -> str:
        """A query as the database reads it."""
        return query.sql(dialect=self.backend.dialect, unsupported_level=sg.ErrorLevel.RAISE)

    def typed(self, query: sge.Query, schema: sch.Schema) -> sge.Query:
        """The query with every column in the type that Ibis promises, which databases do not always keep to.

        Texts stay as they are: a cast would take their order away from them.
        """
        types = self.backend.compiler.type_mapper
        columns = [sg.column(name, quoted=True) for name in schema.names]
        promised = [
            column if kind.is_string() else sge.alias_(sg.cast(column, types.from_ibis(kind)), name, quoted=True)
            for (name, kind), column in zip(schema.items(), columns, strict=True)
        ]
        return sg.select(*promised).from_(sge.Subquery(this=query, alias=sg.to_identifier("computed")))
