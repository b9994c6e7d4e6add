"""Tables that are computed once for several readers: only when first read, and with the columns that somebody reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from revgauge.catalogue.engine.columns import demand
from revgauge.catalogue.engine.lane import Pending

if TYPE_CHECKING:
    import ibis.expr.schema as sch
    import ibis.expr.types as ir


@dataclass
class Kept:
    """A table that is to be computed once."""

    name: str
    label: str
    expression: ir.Table
    schema: sch.Schema
    lasting: bool = False
    """Whether it has all of its columns and is there to the end, because much that is not known yet reads it."""
    wanted: set[str] = field(default_factory=set)
    """The columns that readers are known to want."""
    foreseen: bool = False
    """Whether its readers are known; otherwise all columns are computed."""
    made: frozenset[str] | None = None
    """The columns that it was computed with; None while it is not computed."""
    readers: set[object] = field(default_factory=set)
    """Those foreseen that have not read it yet."""
    in_use: int = 0
    """How many are reading it now."""
    making: Pending[int] | None = None
    """What was last asked for to make it."""
    waits: Pending[Any] | None = None
    """What was last asked for to make or drop it, in the order of all that is asked for."""

    def forget_failure(self) -> None:
        """Count as not computed where that was asked for and failed, so that it is tried again."""
        if self.making is not None and self.making.failed:
            self.made, self.making = None, None

    @property
    def whole(self) -> bool:
        """Whether all columns are computed, needed or not."""
        return self.lasting or not self.foreseen

    @property
    def done_with(self) -> bool:
        """Whether all that was foreseen has been read."""
        return self.foreseen and not (self.lasting or self.readers or self.in_use)

    @property
    def stands(self) -> bool:
        """Whether nothing that waits makes or drops it."""
        return self.waits is None or self.waits.over

    @property
    def columns(self) -> tuple[str, ...]:
        """All of its columns."""
        return tuple(self.expression.columns)


class Shelf:
    """All kept tables of a warehouse, in the order in which they were asked for."""

    def __init__(self) -> None:
        """Start without any."""
        self._kept: dict[str, Kept] = {}

    def add(self, table: Kept) -> None:
        """Take a table in; it may read those that are there."""
        self._kept[table.name] = table

    def read_by(self, expression: ir.Table, columns: Iterable[str] | None = None) -> dict[str, set[str]]:
        """The kept tables that an expression reads, with the columns it needs of them."""
        return {name: names for name, names in demand(expression, columns).items() if name in self._kept}

    def __getitem__(self, name: str) -> Kept:
        """The kept table of a name."""
        return self._kept[name]

    def stands(self, expression: ir.Table) -> bool:
        """Whether an expression can be computed before all that waits: what it reads does not change by that."""
        tables = [self._kept[name] for name in self.read_by(expression)]
        return all(table.stands and (table.made is not None or self.stands(table.expression)) for table in tables)

    def foresee(self, expressions: Iterable[ir.Table]) -> None:
        """Note what these expressions will read, directly or through other kept tables that are not computed yet."""
        for expression in expressions:
            self._want(expression, self.read_by(expression))
        for table in reversed(self._kept.values()):
            if table.readers and table.made is None:
                self._want(table.expression, self.read_by(table.expression, table.wanted))

    def _want(self, reader: ir.Table, found: dict[str, set[str]]) -> None:
        for name, columns in found.items():
            table = self._kept[name]
            table.foreseen = True
            table.wanted |= columns
            table.readers.add(reader.op())
