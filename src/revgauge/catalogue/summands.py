"""Summands: what a pass adds up, with sums under many conditions told apart by one number for each row.

A database that adds a column up under a dozen conditions keeps a dozen sums for each group of each cut. Instead each
row is given a number with a bit for each condition that it meets, rows are grouped by that number too, and the column
is added up once; the sum under a condition is then that of the groups which have its bit.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ibis

from revgauge.catalogue.buckets import Summand
from revgauge.catalogue.measures import Column
from revgauge.catalogue.tasks import Aggregates

if TYPE_CHECKING:
    import ibis.expr.types as ir

WORTH = 2
"""How many times fewer sums there have to be for rows to be grouped by the conditions that they meet."""

SHORT, BITS = 15, 62
"""How many conditions a number of two bytes can tell, and how many one of eight."""


class Summands:
    """The sums of a pass: each column under each condition, or each column once where that is much less."""

    def __init__(self, table: ir.Table, asked: Sequence[tuple[Column, Column]]) -> None:
        """Add up columns of the table (none: count rows), each where a condition holds (none: everywhere)."""
        self._aggregates = Aggregates(table)
        values, pairs = set(), set()
        conditions: dict[Any, int] = {}
        for value, where in asked:
            of, met = self._aggregates.column(value), self._aggregates.condition(where)
            values.add(of)
            pairs.add((of, met))
            if met is not None:
                conditions.setdefault(met, len(conditions))
        told = len(conditions) <= BITS and len(pairs) >= WORTH * len(values)
        self._conditions: dict[Any, int] = conditions if told else {}

    def of(self, value: Column, where: Column) -> Summand:
        """The sum of a column where a condition holds."""
        condition = self._aggregates.condition(where)
        if condition is None or not self._conditions:
            return Summand(self._aggregates.named(self._aggregates.sum(value, where)))
        return Summand(self._aggregates.named(self._aggregates.sum(value, None)), self._conditions[condition])

    @property
    def aggregates(self) -> dict[str, Any]:
        """The aggregates by name."""
        return self._aggregates.expressions

    @property
    def keys(self) -> dict[str, Any]:
        """What rows are grouped by for the conditions: the number of those that each row meets."""
        if not self._conditions:
            return {}
        kind = "int16" if len(self._conditions) <= SHORT else "int64"
        bits = [
            ibis.ifelse(condition.to_expr(), 1 << place, 0).cast(kind) for condition, place in self._conditions.items()
        ]
        return {"met": functools.reduce(operator.add, bits).cast(kind)}
