"""Tasks: what is asked of the rows and what was found, and the passes over the rows that answer many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import pyarrow as pa

from revgauge.catalogue.buckets import Dimensions, Key, Keyed
from revgauge.catalogue.engine import Grouping
from revgauge.catalogue.measures import Leaf, Uncut
from revgauge.catalogue.series import Numbers
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
    """What was found for one leaf: for each span, one number for each key, and why there is none."""

    keys: list[Key]
    numbers: dict[Days, Numbers] = field(default_factory=dict)
    gaps: dict[Days, Gaps] = field(default_factory=dict)
    extras: dict[str, dict[Days, Numbers]] = field(default_factory=dict)
    missing: str = ""
    parts: dict[Days, dict[Key, list[Any]]] = field(default_factory=dict)


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

    @classmethod
    def of(
        cls,
        table: ir.Table,
        always: Sequence[str],
        tasks: Sequence[Task],
        aggregates: Mapping[str, Any],
        take: Callable[[Keyed], None],
    ) -> Pass:
        """The pass over a table for the cuts of the tasks."""
        cuts = tuple(dict.fromkeys(task.cut.dimensions for task in tasks))
        # The same dimensions in another order are the same rows.
        sets = [[f"cut_{name}" for name in cut] for cut in {frozenset(cut): cut for cut in cuts}.values()]
        serves = sorted({metric for task in tasks for metric in task.metrics})
        name = tasks[0].leaf.facts.name
        return cls(Grouping.of(table, always, sets, aggregates, name=name, serves=serves), cuts, take)

    def take_all(self, rows: pa.Table) -> None:
        """Hand over the rows of the answer, each with the cut and key that it belongs to."""
        self.take(Keyed(rows, self.cuts))


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

    def named(self, expression: Any) -> str:
        """The name of an aggregate, the same for the same expression."""
        name = self._names.setdefault(expression.op(), f"value_{len(self._names)}")
        self.expressions[name] = expression
        return name

    def sum(self, value: Any, where: Any) -> Any:
        """The sum of a column, or a number of rows, where a condition holds."""
        condition = None if where is None else column_of(self.table, where).fill_null(False)
        if value is None:
            return self.table.count() if condition is None else condition.cast("int64").sum()
        column = column_of(self.table, value)
        # Emptying a column costs less than a filter of its own for each of many sums.
        return (column if condition is None else ibis.ifelse(condition, column, None)).sum()


def column_of(table: ir.Table, column: Any) -> Any:
    """A column of the table: by name, or worked out from a deferred expression."""
    if isinstance(column, str):
        return table[column]
    return column.resolve(table) if hasattr(column, "resolve") else column
