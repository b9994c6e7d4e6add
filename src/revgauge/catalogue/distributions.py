"""Distributions: distinct counts, quantiles and curves, which cannot be added up and are grouped by span directly."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np

from revgauge.catalogue.buckets import Keyed
from revgauge.catalogue.context import Context
from revgauge.catalogue.engine import beside, day_literal
from revgauge.catalogue.exact import Exact, Numbers
from revgauge.catalogue.measures import Curve, Distinct, Spread
from revgauge.catalogue.spans import Days
from revgauge.catalogue.tasks import Aggregates, Answer, Answers, Pass, Task, column_of
from revgauge.model.period import DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

MANY = 50_000
"""Up to this many days all days of the spans are written down."""


class Distributions:
    """Plans what cannot be added up, and answers it."""

    def __init__(self, context: Context, answers: Answers) -> None:
        """Put what is found into the answers."""
        self.context = context
        self._answers = answers

    def over(self, table: ir.Table, tasks: Sequence[Task]) -> Iterator[Pass]:
        """The passes that answer tasks over the same rows."""
        plain = [task for task in tasks if not isinstance(task.leaf, Curve)]
        curves: dict[Any, list[Task]] = {}
        for task in tasks:
            if isinstance(task.leaf, Curve):
                curves.setdefault((task.leaf.columns, repr(task.leaf.where), task.leaf.span), []).append(task)
        for batch in ([plain] if plain else []) + list(curves.values()):
            spans = sorted(
                {task.leaf.days(period) for task in batch for period in task.periods},
                key=lambda days: (days.first or date.min, days.last),
            )
            conditions = [task.leaf.where for task in batch]
            limited = table
            if all(condition is not None for condition in conditions):
                found = [column_of(table, condition).fill_null(False) for condition in conditions]
                limited = table.filter(functools.reduce(operator.or_, found))
            if isinstance(batch[0].leaf, Curve):
                yield self._curve(limited, batch, spans)
            else:
                yield self._grouped(self._placed(limited, batch[0].leaf.at, spans), batch, spans)

    def _placed(self, table: ir.Table, at: str, spans: Sequence[Days]) -> ir.Table:
        """The rows with the number of the span they fall into; in several, if spans overlap."""
        if len(spans) == 1:
            (days,) = spans
            table = table.filter(table[at] <= day_literal(days.last))
            if days.first is not None:
                table = table.filter(table[at] >= day_literal(days.first))
            return table.mutate(bucket=ibis.literal(0).cast("int64"))
        warehouse = self.context.warehouse
        begun = [
            (place, days.first, (days.last - days.first).days + 1) for place, days in enumerate(spans) if days.first
        ]
        if len(begun) == len(spans) and sum(length for _, _, length in begun) <= MANY:
            # A day meets its spans by an equality, which costs a database less than two comparisons.
            rows = [(place, first + number * DAY) for place, first, length in begun for number in range(length)]
            listed = warehouse.literal_table({"bucket": "int64", "span_day": "date"}, rows)
            return beside(table, listed, {at: "span_day"}, how="inner")
        listed = warehouse.literal_table(
            {"bucket": "int64", "span_first": "date", "span_last": "date"},
            [(place, days.first or date.min.replace(year=1), days.last) for place, days in enumerate(spans)],
        )
        joined = table.inner_join(listed, [table[at] >= listed.span_first, table[at] <= listed.span_last])
        return joined.drop("span_first", "span_last")

    def _grouped(self, placed: ir.Table, tasks: list[Task], spans: Sequence[Days]) -> Pass:
        aggregates = Aggregates(placed)
        wanted: dict[int, dict[str, str]] = {}
        for task in tasks:
            found = _statistics(aggregates, task)
            wanted[id(task)] = {part: aggregates.named(expression) for part, expression in found.items()}

        def take(keyed: Keyed) -> None:
            grids: dict[str, Numbers] = {}
            for column in aggregates.expressions:
                grids[column] = np.full((len(spans), keyed.width), None, dtype=object)
                grids[column][keyed.buckets(), keyed.places] = keyed.values(column)
            rows = {days: row for row, days in enumerate(spans)}
            for task in tasks:
                columns = keyed.columns(task.cut.dimensions)
                found = {part: grids[column][:, columns] for part, column in wanted[id(task)].items()}
                answer = Answer(keyed.keys(task.cut.dimensions), rows, extras=found)
                if "value" in found:  # a number of different things, and none where a span has no row
                    counts = [[number or 0 for number in row] for row in found["value"]]
                    answer.numbers = Exact(np.array(counts, dtype=np.int64).reshape(found["value"].shape))
                self._answers[id(task.leaf), task.cut] = answer

        return Pass.of(placed, {"bucket": placed.bucket}, tasks, aggregates.expressions, take)

    def _curve(self, table: ir.Table, tasks: Sequence[Task], spans: Sequence[Days]) -> Pass:
        leaf = tasks[0].leaf
        assert isinstance(leaf, Curve)  # noqa: S101 - the caller sorted the tasks by kind
        # Spans that reach back to the beginning hold each other: their rows are read once, by day, and not for each.
        growing = bool(spans) and all(days.first is None for days in spans)
        if growing:
            placed, by = table.filter(table[leaf.at] <= day_literal(spans[-1].last)), leaf.at
            begins: list[Any] = [None] * len(spans)
            ends: list[Any] = [np.datetime64(days.last) for days in spans]
        else:
            placed, by = self._placed(table, leaf.at, spans), "bucket"
            begins = ends = list(range(len(spans)))

        def take(keyed: Keyed) -> None:
            at = keyed.buckets(by)
            order = np.lexsort((at, keyed.places))
            columns = [keyed.values(name)[order] for name in (*leaf.columns, "cases")]
            at, bounds = at[order], np.searchsorted(keyed.places[order], np.arange(keyed.width + 1))
            for cut in dict.fromkeys(task.cut for task in tasks):
                answer = Answer(keyed.keys(cut.dimensions), parts={days: {} for days in spans})
                for place, key in enumerate(answer.keys, keyed.columns(cut.dimensions).start):
                    low, high = bounds[place], bounds[place + 1]
                    mine = at[low:high]
                    for days, begin, end in zip(spans, begins, ends, strict=True):
                        first = low if begin is None else low + np.searchsorted(mine, begin, "left")
                        behind = low + np.searchsorted(mine, end, "right")
                        if behind > first:
                            answer.parts[days][key] = [column[first:behind] for column in columns]
                self._answers.update({(id(task.leaf), cut): answer for task in tasks if task.cut == cut})

        always = {name: placed[name] for name in (by, *leaf.columns)}
        return Pass.of(placed, always, tasks, {"cases": placed.count()}, take)


def _statistics(aggregates: Aggregates, task: Task) -> dict[str, Any]:
    """The aggregates of a leaf that cannot be added up."""
    table, leaf = aggregates.table, task.leaf
    condition = None if leaf.where is None else column_of(table, leaf.where).fill_null(False)
    if isinstance(leaf, Distinct):
        column = column_of(table, leaf.of)
        return {"value": (column if condition is None else ibis.ifelse(condition, column, None)).nunique()}
    assert isinstance(leaf, Spread)  # noqa: S101 - distributions are handled apart
    column = column_of(table, leaf.value)
    if condition is not None:
        column = ibis.ifelse(condition, column, None)
    number = column.cast("float64")
    # Fractions are added up as decimals: a sum of floats depends on the order, which threads make another every time.
    exact = column.cast("decimal(38, 12)") if column.type().is_floating() else column
    every = {
        "mean": {"total": exact.sum()},
        "median": {"median": number.quantile(0.5)},
        "p90": {"p90": number.quantile(0.9)},
        "deviation": {"deviation": number.std(how="sample")},
    }
    found = {"cases": column.count()}
    for statistic, parts in every.items():
        if task.statistics or statistic == leaf.statistic:
            found |= parts
    if leaf.gap is not None:
        found["gaps"] = aggregates.sum(leaf.gap, leaf.where)
    return found
