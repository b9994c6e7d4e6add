"""Tasks: what is asked of the rows and what was found, and the passes over the rows that answer many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from revgauge.catalogue.buckets import Dimensions, Key, Keyed
from revgauge.catalogue.engine import Grouping
from revgauge.catalogue.exact import Exact, Numbers
from revgauge.catalogue.measures import Column, Leaf, Uncut
from revgauge.catalogue.spans import Days
from revgauge.catalogue.worth import Gaps
from revgauge.model.period import Period

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Cut:
    """The dimensions by which values are split, and the values to which rows are limited."""

    dimensions: tuple[str, ...] = ()
    only: tuple[tuple[str, str], ...] = ()

    def without(self, *uncut: Uncut) -> Cut:
        """The cut as far as it concerns what is not cut by some dimensions."""

        def matters(name: str) -> bool:
            return not any(part.ignores(name) for part in uncut)

        dimensions = tuple(name for name in self.dimensions if matters(name))
        return Cut(dimensions, tuple(pair for pair in self.only if matters(pair[0])))


@dataclass
class Answer:
    """What was found for one leaf: grids with a row for each span and a column for each key, and why there is none."""

    keys: list[Key]
    rows: dict[Days, int] = field(default_factory=dict)
    """The row of each span."""
    numbers: Exact | Numbers | None = None
    gaps: Gaps | None = None
    """Where there is no number."""
    extras: dict[str, Numbers] = field(default_factory=dict)
    """What there is of a spread, by name."""
    missing: str = ""
    parts: dict[Days, dict[Key, list[Any]]] = field(default_factory=dict)

    def rows_of(self, spans: Sequence[Days]) -> npt.NDArray[np.int64]:
        """The rows of some spans, one below the other."""
        return np.array([[self.rows[days]] for days in spans], dtype=np.int64)


OTHER = "(other)"
"""What the number 0 stands for where words are numbered that are not all known."""

Answers = dict[tuple[int, Cut], Answer]
"""What was found, by the identity of the leaf and the cut."""


class Purpose(NamedTuple):
    """What a value is wanted for."""

    metric: str = ""
    """The metric that it is a part of."""
    statistics: bool = True
    """Whether more than the value is wanted of a spread."""


@dataclass
class Task:
    """A leaf and the periods for which its value is wanted."""

    leaf: Leaf
    cut: Cut
    periods: set[Period] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    """The metrics that it is a part of."""
    statistics: bool = False
    """Whether more than the value is wanted of a spread."""
    answered: bool = False


@dataclass(frozen=True)
class Pass:
    """One reading of the rows, for all tasks that can share it."""

    grouping: Grouping
    cuts: tuple[Dimensions, ...]
    take: Callable[[Keyed], None]
    """What is done with the rows of the answer."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns that hold numbers, and the words that these stand for."""
    instead: Callable[[], Pass] | None = None
    """The pass that is to be made where a number stands for `OTHER`: the same one by words."""
    whole_of_parts: bool = False
    """Whether the whole is not asked for, since the parts of a cut add up to it."""
    answers: frozenset[tuple[int, Cut]] = frozenset()
    """The answers that it gives, by leaf and cut."""

    @classmethod
    def of(
        cls,
        table: ir.Table,
        always: Mapping[str, Any],
        tasks: Sequence[Task],
        aggregates: Mapping[str, Any],
        take: Callable[[Keyed], None],
        *,
        words: Mapping[str, tuple[str, ...]] | None = None,
        instead: Callable[[], Pass] | None = None,
        additive: bool = False,
    ) -> Pass:
        """The pass over a table for the cuts of the tasks, each also by the columns `always`.

        Where the aggregates are additive, the parts of a cut add up to the whole.
        """
        cuts = tuple(dict.fromkeys(task.cut.dimensions for task in tasks))
        # The same dimensions in another order are the same rows.
        whole_of_parts = additive and () in cuts and any(cuts)
        sets = [
            [f"cut_{name}" for name in cut]
            for cut in {frozenset(cut): cut for cut in cuts}.values()
            if cut or not whole_of_parts
        ]
        serves = sorted({metric for task in tasks for metric in task.metrics})
        name = tasks[0].leaf.facts.name
        grouping = Grouping.of(table, always, sets, aggregates, name=name, serves=serves)
        answers = frozenset((id(task.leaf), task.cut) for task in tasks)
        return cls(grouping, cuts, take, words or {}, instead, whole_of_parts, answers)

    def fits(self, rows: pa.Table) -> bool:
        """Whether every number in the rows stands for a word."""
        return not any(pc.any(pc.equal(rows[name], 0)).as_py() for name, known in self.words.items() if OTHER in known)

    def take_all(self, rows: pa.Table) -> None:
        """Hand over the rows of the answer, each with the cut and key that it belongs to."""
        self.take(Keyed(rows, self.cuts, whole_of_parts=self.whole_of_parts))


def narrowed(cut: Cut, leaf: Leaf) -> Cut:
    """The cut within the limits of the leaf itself."""
    return Cut(cut.dimensions, tuple(sorted({*cut.only, *leaf.only})))


class Aggregates:
    """The aggregates of a pass, each once, by name."""

    def __init__(self, table: ir.Table) -> None:
        """Aggregate the rows of a table."""
        self.table = table
        self.expressions: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        # To resolve a column takes long beside looking it up, and tasks by the dozen read the same one.
        self._columns: dict[Any, Any] = {}
        self._conditions: dict[int, Any] = {}
        self._sums: dict[tuple[Any, Any], Any] = {}

    def named(self, expression: Any) -> str:
        """The name of an aggregate, the same for the same expression."""
        name = self._names.setdefault(expression.op(), f"value_{len(self._names)}")
        self.expressions.setdefault(name, expression)
        return name

    def column(self, value: Column) -> Any:
        """What identifies a column of the table: its operation; None for a number of rows."""
        if value is None:
            return None
        key = value if isinstance(value, str) else id(value)
        if key not in self._columns:
            self._columns[key] = column_of(self.table, value).op()
        return self._columns[key]

    def condition(self, where: Column) -> Any:
        """What identifies a condition: its operation; None where there is none."""
        if where is None:
            return None
        if id(where) not in self._conditions:
            self._conditions[id(where)] = column_of(self.table, where).fill_null(False).op()
        return self._conditions[id(where)]

    def sum(self, value: Column, where: Column) -> Any:
        """The sum of a column, or a number of rows, where a condition holds."""
        column, condition = self.column(value), self.condition(where)
        if (column, condition) not in self._sums:
            self._sums[column, condition] = self._sum(column, condition)
        return self._sums[column, condition]

    def _sum(self, column: Any, condition: Any) -> Any:
        if column is None:
            return self.table.count() if condition is None else condition.to_expr().cast("int64").sum()
        if condition is None:
            return column.to_expr().sum()
        # Emptying a column costs less than a filter of its own for each of many sums.
        return ibis.ifelse(condition.to_expr(), column.to_expr(), None).sum()


def column_of(table: ir.Table, column: Column) -> Any:
    """A column of the table: by name, or worked out from a deferred expression."""
    if isinstance(column, str):
        return table[column]
    return column.resolve(table) if hasattr(column, "resolve") else column
