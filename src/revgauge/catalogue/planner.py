"""The planner: many measures, periods and cuts in few passes over the rows.

Sums are cut once at every day on which a span of any measure begins or ends. Between two such days lies a bucket; one
grouped query for each table and cut gives the sums of all buckets, and every value - of a month, of a year, a balance,
a trailing window - is a difference of running totals of them. So the number of queries does not grow with metrics,
periods or grains. Distinct counts, quantiles and distributions cannot be added up; they are grouped by span directly.
"""

from __future__ import annotations

import functools
import operator
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import numpy as np
import pyarrow as pa

from revgauge.catalogue.accruals import EARNED, PARTS, UNRATED, Earnings
from revgauge.catalogue.engine import Grouping, day_literal, to_decimal
from revgauge.catalogue.facts import UNKNOWN, Dimension, Facts, Scope
from revgauge.catalogue.measures import (
    Accrual,
    Column,
    Curve,
    Distinct,
    Leaf,
    Measure,
    Revaluation,
    Spread,
    Total,
    Uncut,
)
from revgauge.catalogue.registry import UnknownName
from revgauge.catalogue.resolver import NotComputable, Resolver
from revgauge.catalogue.series import PRECISION, ZERO, Numbers
from revgauge.catalogue.spans import Days
from revgauge.model.period import DAY, Period

if TYPE_CHECKING:
    import ibis.expr.types as ir

Key = tuple[str, ...]
FEW = 6
"""Up to this many days a bucket is told by comparing with each of them."""


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
    gaps: dict[Days, Numbers] = field(default_factory=dict)
    extras: dict[str, dict[Days, Numbers]] = field(default_factory=dict)
    missing: str = ""
    parts: dict[Days, dict[Key, list[Any]]] = field(default_factory=dict)


Answers = dict[tuple[int, Cut], Answer]
"""What was found, by the identity of the leaf and the cut."""


@dataclass
class Task:
    """A leaf and the periods for which its value is wanted."""

    leaf: Leaf
    cut: Cut
    periods: set[Period] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    """The metrics that it is a part of."""
    answered: bool = False


@dataclass(frozen=True)
class Pass:
    """One reading of the rows, for all tasks that can share it."""

    grouping: Grouping
    cuts: tuple[Cut, ...]
    take: Callable[[Cut, pa.Table], None]
    """What is done with the rows of the answer that belong to a cut."""

    @classmethod
    def of(
        cls,
        table: ir.Table,
        always: Sequence[str],
        tasks: Sequence[Task],
        aggregates: Mapping[str, Any],
        take: Callable[[Cut, pa.Table], None],
    ) -> Pass:
        """The pass over a table for the cuts of the tasks."""
        cuts = tuple(dict.fromkeys(task.cut for task in tasks))
        sets = [[f"cut_{name}" for name in cut.dimensions] for cut in cuts]
        serves = sorted({metric for task in tasks for metric in task.metrics})
        name = tasks[0].leaf.facts.name
        return cls(Grouping.of(table, always, sets, aggregates, name=name, serves=serves), cuts, take)

    def take_all(self, rows: pa.Table) -> None:
        """Give every cut the rows of the answer that are its own."""
        every = {column for columns in self.grouping.cuts for column in columns}
        empty = {column: rows[column].is_null().to_numpy(zero_copy_only=False) for column in every}
        for cut, columns in zip(self.cuts, self.grouping.cuts, strict=True):
            mine = np.ones(rows.num_rows, dtype=bool)
            for column in every:
                mine &= ~empty[column] if column in columns else empty[column]
            self.take(cut, rows if len(self.cuts) == 1 else rows.filter(pa.array(mine)))


class Planner:
    """Groups tasks, runs the queries, and answers for each leaf."""

    def __init__(self, resolver: Resolver) -> None:
        """Plan over the tables of a resolver."""
        self.resolver = resolver
        self.context = resolver.context
        self._tasks: dict[tuple[int, Cut], Task] = {}
        self._answers: Answers = {}
        self._kept: list[Measure] = []

    def want(self, leaf: Leaf, cut: Cut, periods: Iterable[Period], metric: str = "") -> None:
        """Ask for the value of a leaf in the periods, as a part of a metric."""
        task = self._tasks.setdefault((id(leaf), cut), Task(leaf, cut))
        task.metrics |= {metric} if metric else set()
        wanted = set(periods)
        if not wanted <= task.periods:
            task.periods |= wanted
            task.answered = False
        self._kept.append(leaf)

    def answer(self, leaf: Leaf, cut: Cut) -> Answer:
        """What was found for a leaf."""
        return self._answers[id(leaf), cut]

    def run(self) -> None:
        """Compute everything that was asked for and not yet computed."""
        groups: dict[tuple[Any, ...], list[Task]] = {}
        for key, task in self._tasks.items():
            if not task.answered or key not in self._answers:
                groups.setdefault(_group(task), []).append(task)
                task.answered = True
        for (facts, *_rest), tasks in groups.items():
            for task in tasks:
                self.resolver.ask(facts, self._columns(task))
        passes: list[Pass] = []
        for (facts, _, kind, *_), tasks in groups.items():
            try:
                table = self.prepared(facts, _every(tasks))
            except NotComputable as problem:
                for task in tasks:
                    self._answers[id(task.leaf), task.cut] = Answer([], missing=str(problem))
                continue
            passes += self._others(table, tasks) if kind is Leaf else [self._totals(table, tasks)]
        # All passes are known before the first one runs, so that tables hold just the columns that some pass reads.
        warehouse = self.context.warehouse
        warehouse.foresee(each.grouping for each in passes)
        for each in passes:
            each.take_all(warehouse.grouped(each.grouping))

    def _columns(self, task: Task) -> Iterator[str]:
        """The columns of the facts that a task reads, as far as they are named."""
        available = self.dimensions(task.leaf.facts)
        cut = narrowed(task.cut, task.leaf)
        for name in (*cut.dimensions, *(name for name, _ in cut.only)):
            if name in available:
                yield available[name].column
        told = f"{getattr(task.leaf, 'value', None)!r} {getattr(task.leaf, 'of', None)!r} {task.leaf.where!r}"
        yield from re.findall(r"\w+", told)

    def dimensions(self, facts: Facts) -> Mapping[str, Dimension]:
        """By what the facts can be cut."""
        definition = self.resolver.catalogue.derived.get(facts.name)
        return definition.dimensions if definition else {}

    def prepared(self, facts: Facts, cut: Cut) -> ir.Table:
        """The facts with a column `cut_n` for each dimension of the cut, limited to the values asked for."""
        table = self.resolver.table(facts)
        available = self.dimensions(facts)
        names = list(dict.fromkeys((*cut.dimensions, *(name for name, _ in cut.only))))
        lookups: dict[tuple[str, str], list[str]] = {}
        for name in names:
            if name not in available:
                raise UnknownName(f"{facts.name} cannot be cut by {name}; it has {', '.join(sorted(available))}")
            dimension = available[name]
            if dimension.lookup is not None:
                lookups.setdefault((dimension.lookup, dimension.column), []).append(name)
        for (lookup, column), found in lookups.items():
            attributes = self.resolver.table(self.resolver.facts(lookup, {}, Scope()))
            attributes = attributes.select(
                **{f"key_of_{column}": attributes.key, **{f"found_{name}": attributes[name] for name in found}}
            )
            joined = table.left_join(attributes, table[column] == attributes[f"key_of_{column}"])
            table = joined.drop(f"key_of_{column}")
        wanted = {
            f"cut_{name}": table[f"found_{name}" if available[name].looked_up else available[name].column]
            for name in names
        }
        if wanted:
            words = {name: column.cast("string").fill_null(UNKNOWN) for name, column in wanted.items()}
            table = table.mutate(**words)
            table = table.drop(*[name for name in table.columns if name.startswith("found_")])
        for name, value in cut.only:
            table = table.filter(table[f"cut_{name}"] == value)
        return table

    # -- sums ---------------------------------------------------------------------------------------------------------

    def _totals(self, table: ir.Table, tasks: list[Task]) -> Pass:
        spans = {id(task): {task.leaf.days(period) for period in task.periods} for task in tasks}
        ordered = sorted({edge for task in tasks for edge in self._edges_of(task, spans[id(task)])})
        by_currency = next((_total(task.leaf).currency for task in tasks if _total(task.leaf).currency), None)
        if isinstance(tasks[0].leaf, Revaluation):
            table = table.filter(table[str(by_currency)] != self.context.reporting_currency)
        # Edges end with `now`: rows behind it, which a project's own table may hold, would fall into the last bucket.
        at = table[tasks[0].leaf.at]
        last = max((days.last for found in spans.values() for days in found), default=self.context.now)
        table = table.filter(at <= day_literal(last))
        table = table.mutate(bucket=_bucket(table[tasks[0].leaf.at], ordered))
        always = ["bucket"]
        if by_currency:
            table = table.mutate(in_currency=table[by_currency])
            always.append("in_currency")
        aggregates, columns = _aggregates(table, tasks)

        def take(cut: Cut, rows: pa.Table) -> None:
            sums = _Sums(rows, ordered, cut, by_currency=by_currency is not None)
            for task in tasks:
                if task.cut == cut:
                    answer = self._from_sums(task, sums, spans[id(task)], columns[id(task)])
                    self._answers[id(task.leaf), task.cut] = answer

        return Pass.of(table, always, tasks, aggregates, take)

    def _edges_of(self, task: Task, spans: set[Days]) -> set[date]:
        """The days on which a span of the task begins, or the first day after it; an end at `now` needs none."""
        edges = {days.first for days in spans if days.first is not None}
        edges |= {days.last + DAY for days in spans if days.last < self.context.now}
        return edges | self._quote_days(task) if isinstance(task.leaf, Revaluation) else edges

    def _quote_days(self, task: Task) -> set[date]:
        rates = self.context.rates
        if not task.periods:
            return set()
        first = min(period.start for period in task.periods)
        last = max(period.closing for period in task.periods)
        eves = {period.closing for period in task.periods}
        firsts = {days[0] for name in rates.currencies if (days := rates.changes(name, date.min, last))}
        return eves | firsts | {day for currency in rates.currencies for day in rates.changes(currency, first, last)}

    def _from_sums(self, task: Task, sums: _Sums, spans: set[Days], columns: _Columns) -> Answer:
        leaf = _total(task.leaf)
        answer = Answer(sums.keys)
        value, gap = columns.value, columns.gap
        if isinstance(leaf, Accrual):
            return self._accrued(leaf, sums, list(spans), columns)
        if isinstance(leaf, Revaluation):
            periods = list(task.periods)
            for period, found in zip(periods, self._revalued(sums, value, gap, periods), strict=True):
                answer.numbers[leaf.days(period)], answer.gaps[leaf.days(period)] = found
            return answer
        if leaf.currency is not None:
            dated = {
                leaf.days(period): leaf.convert_on(period) if leaf.convert_on else leaf.days(period).last
                for period in task.periods
            }
            numbers, gaps = self._converted(sums, value, dated)
            answer.numbers, answer.gaps = dict(zip(dated, numbers, strict=True)), dict(zip(dated, gaps, strict=True))
            return answer
        ordered = list(spans)
        answer.numbers = dict(zip(ordered, sums.over_all(value, ordered), strict=True))
        if gap is not None:
            answer.gaps = dict(zip(ordered, sums.over_all(gap, ordered), strict=True))
        return answer

    def _converted(self, sums: _Sums, column: str, dated: Mapping[Days, date]) -> tuple[Numbers, Numbers]:
        """For each span amounts of all currencies at the rates of its day, and how many of them have none."""
        shape = (len(dated), len(sums.keys))
        numbers = np.full(shape, ZERO, dtype=object)
        gaps = np.zeros(shape, dtype=object)
        with localcontext(prec=PRECISION):
            for currency in sums.currencies:
                amounts = sums.over_all(column, list(dated), currency)
                rates = [self.context.rates.on(currency, day) for day in dated.values()]
                known = np.array([rate or ZERO for rate in rates], dtype=object)
                numbers = numbers + amounts * known[:, np.newaxis]
                for row in (place for place, rate in enumerate(rates) if rate is None):
                    gaps[row] = gaps[row] + (amounts[row] != 0).astype(int)
        return numbers, gaps

    def _accrued(self, leaf: Accrual, sums: _Sums, spans: list[Days], columns: _Columns) -> Answer:
        """What the balances earned over each span, and whether any of it was in a currency without a rate."""
        earnings = Earnings(self.context.rates, leaf.pace)
        befores = [max(days.first or date.min, date.min + DAY) - DAY for days in spans]
        numbers = gaps = np.full((len(spans), len(sums.keys)), ZERO, dtype=object)
        with localcontext(prec=PRECISION):
            for currency in sums.currencies:
                opened = sums.over_all(columns.value, [Days(None, day) for day in befores], currency)
                closed = sums.over_all(columns.value, [Days(None, days.last) for days in spans], currency)
                grown: list[Numbers] = []
                for unit, column in ((earnings.earned, columns.earned), (earnings.unrated, columns.gap)):
                    late = np.array([[Decimal(unit(currency, days.last))] for days in spans], dtype=object)
                    early = np.array([[Decimal(unit(currency, day))] for day in befores], dtype=object)
                    grown.append(closed * late - opened * early - sums.over_all(str(column), spans, currency))
                numbers, gaps = numbers + grown[0], gaps + abs(grown[1])
            numbers = numbers / Decimal(PARTS[leaf.pace])
        answer = Answer(sums.keys)
        answer.numbers = dict(zip(spans, numbers, strict=True))
        answer.gaps = dict(zip(spans, gaps, strict=True))
        return answer

    def _revalued(
        self, sums: _Sums, column: str, changes: str | None, periods: Sequence[Period]
    ) -> list[tuple[Numbers, Numbers]]:
        """What changed rates alone did to the balances of the day before, over each period."""
        if not periods:
            return []
        shape = (len(periods), len(sums.keys))
        numbers = np.full(shape, ZERO, dtype=object)
        gaps = np.zeros(shape, dtype=object)
        rates = self.context.rates
        first = min(period.start for period in periods)
        last = max(period.closing for period in periods)
        with localcontext(prec=PRECISION):
            for currency in sums.currencies:
                days = rates.changes(currency, first, last)
                held = sums.over_all(column, [Days(None, day - DAY) for day in days], currency)
                steps = np.array([rates.step(currency, day) for day in days], dtype=object)
                nothing = np.full((1, len(sums.keys)), ZERO, dtype=object)
                running = np.add.accumulate(np.concatenate([nothing, held * steps[:, np.newaxis]]), axis=0)
                for row, period in enumerate(periods):
                    low, high = bisect_left(days, period.start), bisect_right(days, period.closing)
                    numbers[row] = numbers[row] + running[high] - running[low]
                    gaps[row] = gaps[row] + self._unrated(sums, column, changes, currency, period)
        return list(zip(numbers, gaps, strict=True))

    def _unrated(self, sums: _Sums, column: str, changes: str | None, currency: str, period: Period) -> Numbers:
        """Whether anything was held in the currency on a day before its first quote, up to the day before the last."""
        quotes = self.context.rates.changes(currency, date.min, period.closing)
        last = min(quotes[0], period.closing) - DAY if quotes else period.closing - DAY
        if last < period.opening:
            return np.zeros(len(sums.keys), dtype=object)
        held = sums.over(column, Days(None, period.opening), currency) != 0
        if changes is not None and last >= period.start:
            held = held | (sums.over(changes, Days(period.start, last), currency) != 0)
        unrated: Numbers = held.astype(int).astype(object)
        return unrated

    # -- what cannot be added up --------------------------------------------------------------------------------------

    def _others(self, table: ir.Table, tasks: list[Task]) -> Iterator[Pass]:
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
        listed = self.context.warehouse.literal_table(
            {"bucket": "int64", "span_first": "date", "span_last": "date"},
            [(place, days.first or date.min.replace(year=1), days.last) for place, days in enumerate(spans)],
        )
        joined = table.inner_join(listed, [table[at] >= listed.span_first, table[at] <= listed.span_last])
        return joined.drop("span_first", "span_last")

    def _grouped(self, placed: ir.Table, tasks: list[Task], spans: Sequence[Days]) -> Pass:
        aggregates: dict[str, Any] = {}
        named: dict[Any, str] = {}
        wanted: dict[int, dict[str, str]] = {}
        for task in tasks:
            wanted[id(task)] = {
                part: _named(named, aggregates, expression)
                for part, expression in _statistics(placed, task.leaf).items()
            }

        def take(cut: Cut, rows: pa.Table) -> None:
            keys, places = _keys(rows, cut)
            buckets = rows["bucket"].to_numpy()
            for task in tasks:
                if task.cut != cut:
                    continue
                answer = Answer(keys)
                for part, column in wanted[id(task)].items():
                    grid = np.full((len(spans), len(keys)), None, dtype=object)
                    grid[buckets, places] = rows[column].to_pylist()
                    target = answer.numbers if part == "value" else answer.extras.setdefault(part, {})
                    for number, days in enumerate(spans):
                        target[days] = grid[number]
                self._answers[id(task.leaf), task.cut] = answer

        return Pass.of(placed, ["bucket"], tasks, aggregates, take)

    def _curve(self, table: ir.Table, tasks: Sequence[Task], spans: Sequence[Days]) -> Pass:
        leaf = tasks[0].leaf
        assert isinstance(leaf, Curve)  # noqa: S101 - the caller sorted the tasks by kind
        # Spans that reach back to the beginning hold each other: their rows are read once, by day, and not for each.
        growing = all(days.first is None for days in spans)
        if growing:
            placed, by = table.filter(table[leaf.at] <= day_literal(spans[-1].last)), leaf.at
            begins: list[Any] = [None] * len(spans)
            ends: list[Any] = [np.datetime64(days.last) for days in spans]
        else:
            placed, by = self._placed(table, leaf.at, spans), "bucket"
            begins = ends = list(range(len(spans)))

        def take(cut: Cut, rows: pa.Table) -> None:
            keys, places = _keys(rows, cut)
            at = rows[by].to_numpy()
            order = np.lexsort((at, places))
            columns = [_array(rows[name])[order] for name in (*leaf.columns, "cases")]
            at, bounds = at[order], np.searchsorted(places[order], np.arange(len(keys) + 1))
            answer = Answer(keys, parts={days: {} for days in spans})
            for key, low, high in zip(keys, bounds[:-1], bounds[1:], strict=True):
                mine = at[low:high]
                for days, begin, end in zip(spans, begins, ends, strict=True):
                    first = low if begin is None else low + np.searchsorted(mine, begin, "left")
                    behind = low + np.searchsorted(mine, end, "right")
                    if behind > first:
                        answer.parts[days][key] = [column[first:behind] for column in columns]
            self._answers |= {(id(task.leaf), cut): answer for task in tasks if task.cut == cut}

        always = list(dict.fromkeys((by, *leaf.columns)))
        return Pass.of(placed, always, tasks, {"cases": placed.count()}, take)


class _Columns(NamedTuple):
    """The columns of the aggregated rows that a task reads."""

    value: str
    gap: str | None
    earned: str = ""


class _Sums:
    """Running totals over buckets, by key and, where amounts keep their currency, by currency."""

    def __init__(self, rows: pa.Table, edges: list[date], cut: Cut, *, by_currency: bool) -> None:
        self.edges = np.array(edges, dtype="datetime64[D]")
        self._rows = rows
        self.keys, self._places = _keys(rows, cut)
        if len(edges) <= FEW:
            self._buckets = rows["bucket"].to_numpy().astype(np.int64)
        else:
            days = rows["bucket"].to_numpy().astype("datetime64[D]")
            self._buckets = np.searchsorted(self.edges, days, side="right")
        self._currencies = np.array(rows["in_currency"].to_pylist(), dtype=object) if by_currency else None
        self.currencies: list[str] = sorted(set(self._currencies.tolist())) if self._currencies is not None else []
        self._running: dict[tuple[str, str | None], Numbers] = {}

    def over(self, column: str, days: Days, currency: str | None = None) -> Numbers:
        """The sum of a column over the days, for every key."""
        row: Numbers = self.over_all(column, [days], currency)[0]
        return row

    def over_all(self, column: str, spans: Sequence[Days], currency: str | None = None) -> Numbers:
        """The sums of a column over each of the spans (rows) for every key (columns)."""
        if not spans:
            return np.empty((0, len(self.keys)), dtype=object)
        running = self._totals(column, currency)
        firsts = np.array([days.first or date.min for days in spans], dtype="datetime64[D]")
        ends = np.array([days.last + DAY for days in spans], dtype="datetime64[D]")
        low = np.searchsorted(self.edges, firsts, side="right")
        place = np.searchsorted(self.edges, ends, side="left")
        behind = np.append(self.edges, np.datetime64("NaT"))
        high = np.where(behind[place] == ends, place + 1, len(self.edges) + 1)
        with localcontext(prec=PRECISION):
            difference: Numbers = running[high] - running[low]
        return difference

    def _totals(self, column: str, currency: str | None) -> Numbers:
        """Row n is the sum of the first n buckets."""
        if (column, currency) not in self._running:
            values = np.array([_exact(value) for value in self._rows[column].to_pylist()], dtype=object)
            buckets, places = self._buckets, self._places
            if currency is not None and self._currencies is not None:
                mine = self._currencies == currency
                values, buckets, places = values[mine], buckets[mine], places[mine]
            grid = np.full((len(self.edges) + 2, max(len(self.keys), 1)), ZERO, dtype=object)
            with localcontext(prec=PRECISION):
                np.add.at(grid, (buckets + 1, places), values)
                self._running[column, currency] = np.add.accumulate(grid, axis=0)[:, : len(self.keys)]
        return self._running[column, currency]


def _exact(value: Any) -> Decimal:
    """A sum from the database as a decimal; nothing added up is zero."""
    return value if isinstance(value, Decimal) else ZERO if value is None else to_decimal(value)


def _group(task: Task) -> tuple[Any, ...]:
    """Tasks with the same answer to this are computed together: one pass over the rows for all of their cuts."""
    leaf = task.leaf
    kind = next((kind for kind in (Revaluation, Accrual, Total) if isinstance(leaf, kind)), Leaf)
    return (leaf.facts, leaf.at, kind, task.cut.only, leaf.only)


def _every(tasks: Sequence[Task]) -> Cut:
    """All dimensions of the tasks together, within the limits that they share."""
    dimensions = tuple(dict.fromkeys(name for task in tasks for name in task.cut.dimensions))
    return Cut(dimensions, narrowed(tasks[0].cut, tasks[0].leaf).only)


def narrowed(cut: Cut, leaf: Leaf) -> Cut:
    """The cut within the limits of the leaf itself."""
    return Cut(cut.dimensions, tuple(sorted({*cut.only, *leaf.only})))


def _aggregates(table: ir.Table, tasks: Sequence[Task]) -> tuple[dict[str, Any], dict[int, _Columns]]:
    """The sums that the tasks need, each once, and which of them are whose."""
    aggregates: dict[str, Any] = {}
    named: dict[Any, str] = {}
    columns: dict[int, _Columns] = {}
    for task in tasks:
        leaf = _total(task.leaf)

        def summed(column: Column, leaf: Total = leaf) -> str:
            return _named(named, aggregates, _sum(table, column, leaf.where))

        if isinstance(leaf, Accrual):
            columns[id(task)] = _Columns(summed(leaf.value), summed(UNRATED), summed(EARNED))
        else:
            columns[id(task)] = _Columns(summed(leaf.value), None if leaf.gap is None else summed(leaf.gap))
    return aggregates, columns


def _total(leaf: Leaf) -> Total:
    assert isinstance(leaf, Total)  # noqa: S101 - the caller sorted the tasks by kind
    return leaf


def _named(named: dict[Any, str], aggregates: dict[str, Any], expression: Any) -> str:
    """The name of an aggregate, the same for the same expression."""
    operation = expression.op()
    if operation not in named:
        named[operation] = f"value_{len(named)}"
        aggregates[named[operation]] = expression
    return named[operation]


def column_of(table: ir.Table, column: Any) -> Any:
    """A column of the table: by name, or worked out from a deferred expression."""
    if isinstance(column, str):
        return table[column]
    return column.resolve(table) if hasattr(column, "resolve") else column


def _sum(table: ir.Table, value: Any, where: Any) -> Any:
    condition = None if where is None else column_of(table, where).fill_null(False)
    if value is None:
        return table.count() if condition is None else condition.cast("int64").sum()
    column = column_of(table, value)
    return column.sum() if condition is None else column.sum(where=condition)


def _statistics(table: ir.Table, leaf: Leaf) -> dict[str, Any]:
    """The aggregates of a leaf that cannot be added up."""
    condition = None if leaf.where is None else column_of(table, leaf.where).fill_null(False)
    if isinstance(leaf, Distinct):
        column = column_of(table, leaf.of)
        return {"value": (column if condition is None else ibis.ifelse(condition, column, None)).nunique()}
    assert isinstance(leaf, Spread)  # noqa: S101 - distributions are handled apart
    column = column_of(table, leaf.value)
    if condition is not None:
        column = ibis.ifelse(condition, column, None)
    number = column.cast("float64")
    found = {
        "total": column.sum(),
        "cases": column.count(),
        "median": number.quantile(0.5),
        "p90": number.quantile(0.9),
        "deviation": number.std(how="sample"),
    }
    if leaf.gap is not None:
        found["gaps"] = _sum(table, leaf.gap, leaf.where)
    return found


def _bucket(day: Any, edges: list[date]) -> Any:
    """Where between the edges a day lies: by number if they are few, else by a day since which there is no other edge.

    That is the first day of its month, or an edge within the month, or the day itself.
    """
    if not edges:
        return ibis.literal(0).cast("int64")
    if len(edges) <= FEW:
        bucket = ibis.ifelse(day >= day_literal(edges[0]), 1, 0)
        for edge in edges[1:]:
            bucket = bucket + ibis.ifelse(day >= day_literal(edge), 1, 0)
        return bucket.cast("int64")
    odd = [edge for edge in edges if edge.day != 1]
    if len(odd) > FEW:
        return day
    bucket = day.truncate("M").cast("date")
    for edge in odd:
        bucket = ibis.ifelse(day >= day_literal(edge), ibis.greatest(bucket, day_literal(edge)), bucket)
    return bucket


def _keys(rows: pa.Table, cut: Cut) -> tuple[list[Key], Any]:
    """The different values of the cut, in order, and for each row the place of its own."""
    if not cut.dimensions:
        return [()], np.zeros(rows.num_rows, dtype=np.int64)
    places = np.zeros(rows.num_rows, dtype=np.int64)
    found: list[list[str]] = []
    for name in cut.dimensions:
        coded = rows[f"cut_{name}"].combine_chunks().dictionary_encode()
        texts = coded.dictionary.to_pylist()
        found.append(sorted(texts))
        rank = {text: place for place, text in enumerate(found[-1])}
        ranks = np.array([rank[text] for text in texts], dtype=np.int64)
        places = places * len(texts) + ranks[coded.indices.to_numpy()]
    codes, places = np.unique(places, return_inverse=True)
    keys = np.unravel_index(codes, [len(texts) for texts in found]) if len(codes) else [codes for _ in found]
    words = [[texts[place] for place in each.tolist()] for texts, each in zip(found, keys, strict=True)]
    return list(zip(*words, strict=True)), places


def _array(column: pa.ChunkedArray) -> Any:
    """The values of a column: days as NumPy has them, everything else as objects."""
    if pa.types.is_date(column.type):
        return column.to_numpy()
    return np.array(column.to_pylist(), dtype=object)
