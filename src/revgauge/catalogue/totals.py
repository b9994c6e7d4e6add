"""Totals: sums of all spans from one pass over the rows.

Sums are cut once at every day on which a span of any measure begins or ends. Between two such days lies a bucket; one
grouped query for each table and all cuts gives the sums of all buckets, and every value - of a month, of a year, a
balance, a trailing window - is a difference of running totals of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import numpy as np

from revgauge.catalogue.accruals import EARNED, UNRATED
from revgauge.catalogue.buckets import Dimensions, Keyed, Places, Summand, Sums, bucket
from revgauge.catalogue.context import Context
from revgauge.catalogue.engine import day_literal
from revgauge.catalogue.exact import Exact, Numbers
from revgauge.catalogue.measures import Accrual, Column, Leaf, Pace, Revaluation, Total
from revgauge.catalogue.spans import Days, Span
from revgauge.catalogue.summands import Summands
from revgauge.catalogue.tasks import OTHER, Answer, Answers, Pass, Task
from revgauge.catalogue.worth import Gaps, Worth
from revgauge.model.period import DAY, Period

if TYPE_CHECKING:
    import ibis.expr.types as ir


class _Columns(NamedTuple):
    """The sums of the aggregated rows that a task reads."""

    value: Summand
    gap: Summand | None
    earned: Summand | None = None

    @classmethod
    def of(cls, leaf: Total, sums: Summands) -> _Columns:
        """Those that a leaf reads."""

        def summed(column: Column) -> Summand:
            return sums.of(column, leaf.where)

        if isinstance(leaf, Accrual):
            return cls(summed(leaf.value), summed(UNRATED), summed(EARNED))
        return cls(summed(leaf.value), None if leaf.gap is None else summed(leaf.gap))

    @staticmethod
    def asked(leaf: Total) -> Iterator[tuple[Column, Column]]:
        """What a leaf adds up, and where."""
        yield leaf.value, leaf.where
        if isinstance(leaf, Accrual):
            yield from ((UNRATED, leaf.where), (EARNED, leaf.where))
        elif leaf.gap is not None:
            yield leaf.gap, leaf.where


@dataclass(frozen=True)
class _Question:
    """What is asked of sums, the same for all tasks that differ by their cuts alone."""

    kind: type[Total]
    columns: _Columns
    periods: tuple[Period, ...] = field(hash=False)
    spans: tuple[Days, ...]
    dates: tuple[date, ...]
    """Where amounts keep their currency, for each span the day whose rates convert them."""
    pace: Pace | None

    @classmethod
    def of(cls, task: Task, periods: tuple[Period, ...], spans: tuple[Days, ...], columns: _Columns) -> _Question:
        """The question of a task that reads these columns."""
        leaf = _total(task.leaf)
        dates: tuple[date, ...] = ()
        if leaf.currency is not None:
            on = leaf.convert_on
            dates = tuple(on(period) if on else days.last for period, days in zip(periods, spans, strict=True))
        pace = leaf.pace if isinstance(leaf, Accrual) else None
        return cls(type(leaf), columns, periods, spans, dates, pace)


class Totals:
    """Plans sums, and answers them."""

    def __init__(self, context: Context, answers: Answers) -> None:
        """Put what is found into the answers."""
        self.context = context
        self._answers = answers
        self._spans: dict[tuple[Span, frozenset[Period]], tuple[tuple[Period, ...], tuple[Days, ...]]] = {}

    def over(self, table: ir.Table, tasks: Sequence[Task]) -> Pass:
        """The pass that answers tasks over the same rows."""
        return self._over(table, tasks, coded=True)

    def _over(self, table: ir.Table, tasks: Sequence[Task], *, coded: bool) -> Pass:
        spans = {id(task): self._spans_of(task) for task in tasks}
        every = {days for found in dict.fromkeys(days for _, days in spans.values()) for days in found}
        ordered = sorted(self._edges_of(every).union(*map(self._quote_days, tasks)))
        by_currency = next((_total(task.leaf).currency for task in tasks if _total(task.leaf).currency), None)
        rows = table
        if isinstance(tasks[0].leaf, Revaluation):
            rows = rows.filter(rows[str(by_currency)] != self.context.reporting_currency)
        # Edges end with `now`: rows behind it, which a project's own table may hold, would fall into the last bucket.
        at = rows[tasks[0].leaf.at]
        last = max((days.last for days in every), default=self.context.now)
        rows = rows.filter(at <= day_literal(last))
        always = {"bucket": bucket(rows[tasks[0].leaf.at], ordered)}
        words: dict[str, tuple[str, ...]] = {}
        instead = None
        if by_currency and coded:
            words["in_currency"], always["in_currency"] = self._numbered(rows[by_currency])
            instead = functools.partial(self._over, table, tasks, coded=False)
        elif by_currency:
            always["in_currency"] = rows[by_currency]
        sums = Summands(rows, [pair for task in tasks for pair in _Columns.asked(_total(task.leaf))])
        always |= sums.keys
        questions: dict[_Question, list[Task]] = {}
        for task in tasks:
            question = _Question.of(task, *spans[id(task)], _Columns.of(_total(task.leaf), sums))
            questions.setdefault(question, []).append(task)

        def take(keyed: Keyed) -> None:
            sums = Sums(keyed, ordered, by_currency=by_currency is not None)
            for question, alike in questions.items():
                self._answers.update(self._from_sums(question, alike, keyed, sums))

        return Pass.of(rows, always, tasks, sums.aggregates, take, words=words, instead=instead, additive=True)

    def _numbered(self, currency: Any) -> tuple[tuple[str, ...], Any]:
        """The currencies that have quotes, and a number for each: what rows are grouped by faster than by words.

        The number of any other currency is that of `OTHER`.
        """
        known = dict.fromkeys((self.context.reporting_currency, *self.context.rates.currencies))
        cases = [(currency == name, number) for number, name in enumerate(known, 1)]
        return (OTHER, *known), ibis.cases(*cases, else_=0).cast("int16")

    def _spans_of(self, task: Task) -> tuple[tuple[Period, ...], tuple[Days, ...]]:
        """The periods of a task and the days that are read for each."""
        key = (task.leaf.span, frozenset(task.periods))
        if key not in self._spans:
            self._spans[key] = (tuple(task.periods), tuple(task.leaf.days(period) for period in task.periods))
        return self._spans[key]

    def _edges_of(self, spans: set[Days]) -> set[date]:
        """The days on which a span begins, or the first day after it; an end at `now` needs none."""
        edges = {days.first for days in spans if days.first is not None}
        return edges | {days.last + DAY for days in spans if days.last < self.context.now}

    def _quote_days(self, task: Task) -> set[date]:
        """The days on which rates change, for what is worth more or less by that alone."""
        rates = self.context.rates
        if not task.periods or not isinstance(task.leaf, Revaluation):
            return set()
        first = min(period.start for period in task.periods)
        last = max(period.closing for period in task.periods)
        eves = {period.closing for period in task.periods}
        firsts = {days[0] for name in rates.currencies if (days := rates.changes(name, date.min, last))}
        return eves | firsts | {day for currency in rates.currencies for day in rates.changes(currency, first, last)}

    def _from_sums(self, question: _Question, tasks: Sequence[Task], keyed: Keyed, sums: Sums) -> Answers:
        """The answers of one question, by the cuts of all tasks that ask it."""
        cuts = list(dict.fromkeys(task.cut.dimensions for task in tasks))
        # Keys that come up later only, in spans of other questions, are none of this one.
        begun = sums.begun(max((days.last for days in question.spans), default=self.context.now))
        parts = []
        for cut in cuts:
            part = keyed.columns(cut)
            places = np.arange(part.start, part.stop)
            parts.append(places[begun[part]] if cut else places)
        numbers, gaps = self._summed(question, sums, np.concatenate(parts))
        rows = {days: row for row, days in enumerate(question.spans)}
        found: dict[Dimensions, Answer] = {}
        start = 0
        for cut, places in zip(cuts, parts, strict=True):
            keys, first = keyed.keys(cut), keyed.columns(cut).start
            mine = slice(start, start + len(places))
            start = mine.stop
            answer = found[cut] = Answer([keys[place - first] for place in places.tolist()], rows, numbers[:, mine])
            answer.gaps = None if gaps is None else gaps[:, mine]
        return {(id(task.leaf), task.cut): found[task.cut.dimensions] for task in tasks}

    def _summed(self, question: _Question, sums: Sums, within: Places) -> tuple[Exact | Numbers, Gaps | None]:
        """The numbers of each span and their gaps, for some columns of the grid of sums."""
        columns, spans = question.columns, question.spans
        worth = Worth(self.context.rates, sums, within)
        if question.kind is Revaluation:
            return worth.by_changed_rates(columns.value, columns.gap, question.periods)
        if question.pace:
            assert columns.earned is not None and columns.gap is not None  # noqa: S101, PT018 - as an accrual has them
            return worth.day_by_day(question.pace, spans, (columns.value, columns.earned, columns.gap))
        if question.dates:
            return worth.on_days(columns.value, spans, question.dates)
        gaps = None if columns.gap is None else sums.over(columns.gap, spans, within).units != 0
        return sums.over(columns.value, spans, within), gaps


def _total(leaf: Leaf) -> Total:
    assert isinstance(leaf, Total)  # noqa: S101 - the caller sorted the tasks by kind
    return leaf
