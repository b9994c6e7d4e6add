"""The planner: many measures, periods and cuts in few passes over the rows.

Tasks over the same rows share a pass: sums of whatever days come from running totals (`totals`), everything else is
grouped by its days (`distributions`). So the number of queries does not grow with metrics, periods or grains.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ibis
from ibis.common.deferred import Deferred

from revgauge.catalogue.accruals import EARNED, UNRATED
from revgauge.catalogue.codes import Coded, Codes, worded
from revgauge.catalogue.distributions import Distributions
from revgauge.catalogue.engine import Grouping, beside
from revgauge.catalogue.facts import UNKNOWN, Dimension, Facts, Scope
from revgauge.catalogue.measures import Accrual, Leaf, Measure, Revaluation, Total
from revgauge.catalogue.registry import UnknownName
from revgauge.catalogue.resolver import NotComputable, Resolver
from revgauge.catalogue.tasks import Answer, Answers, Cut, Pass, Purpose, Task, narrowed
from revgauge.catalogue.totals import Totals
from revgauge.model.period import Period

if TYPE_CHECKING:
    import ibis.expr.types as ir

Words = Mapping[str, tuple[str, ...]]
"""Columns that hold numbers, and the words that these stand for."""

_Group = tuple[Facts, Any, type[Leaf], Any, Any]
_Groups = dict[_Group, list[Task]]
"""Tasks that one pass over the rows can answer, by what they have in common: see `_group`."""


class Planner:
    """Groups tasks, runs the queries, and answers for each leaf."""

    def __init__(self, resolver: Resolver) -> None:
        """Plan over the tables of a resolver."""
        self.resolver = resolver
        self.context = resolver.context
        self._tasks: dict[tuple[int, Cut], Task] = {}
        self._answers: Answers = {}
        self.pending: set[tuple[int, Cut]] = set()
        """What was asked for and is not there yet, by leaf and cut."""
        self._kept: list[Measure] = []
        self._totals = Totals(self.context, self._answers)
        self._distributions = Distributions(self.context, self._answers)
        self._codes = Codes(resolver)

    def want(self, leaf: Leaf, cut: Cut, periods: Iterable[Period], purpose: Purpose) -> None:
        """Ask for the value of a leaf in the periods."""
        task = self._tasks.setdefault((id(leaf), cut), Task(leaf, cut))
        task.metrics |= {purpose.metric} if purpose.metric else set()
        wanted = set(periods)
        if not wanted <= task.periods or (purpose.statistics and not task.statistics):
            task.periods |= wanted
            task.statistics |= purpose.statistics
            task.answered = False
        self._kept.append(leaf)

    def answer(self, leaf: Leaf, cut: Cut) -> Answer:
        """What was found for a leaf."""
        return self._answers[id(leaf), cut]

    def run(self) -> Iterator[None]:
        """Compute everything that was asked for and not yet computed; stops whenever some of it is there.

        What is not there yet is `pending`. The database goes on while the caller does something with the answers.
        """
        groups: _Groups = {}
        for key, task in self._tasks.items():
            if not task.answered or key not in self._answers:
                groups.setdefault(_group(task), []).append(task)
                task.answered = True
        self.pending = {(id(task.leaf), task.cut) for tasks in groups.values() for task in tasks}
        for (facts, *_rest), tasks in groups.items():
            for task in tasks:
                self.resolver.ask(facts, self._columns(task))
        asked: deque[tuple[Pass, Words]] = deque()
        answers = self.context.warehouse.answers(self._groupings(groups, asked))
        for rows in answers:
            taken, words = asked.popleft()
            found = rows
            if taken.instead is not None and not taken.fits(rows):
                taken = taken.instead()
                found = self.context.warehouse.grouped(taken.grouping)
            taken.take_all(worded(found, {**words, **taken.words}))
            self.pending -= taken.answers
            yield
        assert not self.pending  # noqa: S101 - every task is in a pass, or cannot be computed

    def _groupings(self, groups: _Groups, asked: deque[tuple[Pass, Words]]) -> Iterator[Grouping]:
        """The passes that answer the groups, noted in `asked` in the same order.

        All passes over tables that are made of each other are known before the first of them runs, so that these
        tables hold just the columns that some pass reads. What shares nothing comes one after the other, and the
        fewest passes first: the database has work soon, and meanwhile the next ones are written.
        """
        for cluster in self._clusters(groups):
            passes = [each for group in cluster for each in self._passes(group, groups[group])]
            self.context.warehouse.foresee(each.grouping for each, _ in passes)
            for each in passes:
                asked.append(each)
                yield each[0].grouping

    def _clusters(self, groups: _Groups) -> list[list[_Group]]:
        """Groups that share kept tables, together, and the fewest groups first."""
        clusters: list[tuple[set[Facts], list[_Group]]] = []
        for group in groups:
            tables, members = set(self.resolver.kept(group[0])), [group]
            apart = []
            for others in clusters:
                if tables.isdisjoint(others[0]):
                    apart.append(others)
                else:
                    tables, members = tables | others[0], others[1] + members
            clusters = [*apart, (tables, members)]
        return sorted((members for _, members in clusters), key=len)

    def _passes(self, group: _Group, tasks: list[Task]) -> list[tuple[Pass, Words]]:
        """The passes that answer the tasks of a group; none, and their answers, where something was never loaded."""
        facts, _, kind, *_ = group
        every = _every(tasks)
        try:
            codes = self._coded(facts, every)
            table = self.prepared(facts, every, codes, self._read(tasks))
        except NotComputable as problem:
            for task in tasks:
                self._answers[id(task.leaf), task.cut] = Answer([], missing=str(problem))
                self.pending.discard((id(task.leaf), task.cut))
            return []
        words = self._words(facts, every, codes)
        found = self._distributions.over(table, tasks) if kind is Leaf else [self._totals.over(table, tasks)]
        return [(each, words) for each in found]

    def _coded(self, facts: Facts, cut: Cut) -> Mapping[str, Coded]:
        """The lookup tables of a cut with numbers for words, by name: where several dimensions are looked up at once.

        To number words takes a query and a table of its own, which one dimension alone does not pay for.
        """
        available = self.dimensions(facts)
        lookups = [dimension.lookup for name in cut.dimensions if (dimension := available.get(name)) is not None]
        several = [lookup for lookup in dict.fromkeys(lookups) if lookup is not None and lookups.count(lookup) > 1]
        found = {lookup: self._codes.of(lookup) for lookup in several}
        return {lookup: coded for lookup, coded in found.items() if coded is not None}

    def _words(self, facts: Facts, cut: Cut, codes: Mapping[str, Coded]) -> Words:
        """The columns of a cut that hold numbers, and their words."""
        available = self.dimensions(facts)
        found = {name: codes.get(available[name].lookup or "") for name in cut.dimensions}
        return {f"cut_{name}": coded.words[name] for name, coded in found.items() if coded is not None}

    def _columns(self, task: Task) -> Iterator[str]:
        """The columns of the facts that a task reads, as far as they are named."""
        available = self.dimensions(task.leaf.facts)
        cut = narrowed(task.cut, task.leaf)
        for name in (*cut.dimensions, *(name for name, _ in cut.only)):
            if name in available:
                yield available[name].column
        yield from _named_in(_told_by(task.leaf))

    def dimensions(self, facts: Facts) -> Mapping[str, Dimension]:
        """By what the facts can be cut."""
        definition = self.resolver.catalogue.derived.get(facts.name)
        return definition.dimensions if definition else {}

    def _read(self, tasks: Sequence[Task]) -> set[str] | None:
        """The columns of the facts that tasks read, by all the names in their leaves; None where these do not tell."""
        told = [value for task in tasks for value in _told_by(task.leaf)]
        if not all(isinstance(value, str | tuple | Deferred) for value in told):
            return None
        return _named_in(told)

    def prepared(
        self,
        facts: Facts,
        cut: Cut,
        codes: Mapping[str, Coded] = MappingProxyType({}),
        read: Collection[str] | None = None,
    ) -> ir.Table:
        """The facts with a column `cut_n` for each dimension of the cut, limited to the values asked for.

        What is looked up in a table of `codes` is a number. Of the columns only those `read` are there, or else all.
        """
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
        joined = table
        for (lookup, column), found in lookups.items():
            coded = codes.get(lookup)
            attributes = coded.table if coded else self.resolver.table(self.resolver.facts(lookup, {}, Scope()))
            joined = beside(joined, attributes, {column: "key"}, {f"found_{name}": name for name in found})
        cuts: dict[str, Any] = {}
        for name in names:
            dimension = available[name]
            value = joined[f"found_{name}" if dimension.looked_up else dimension.column]
            if dimension.lookup in codes:
                cuts[f"cut_{name}"] = value.fill_null(ibis.literal(0).cast("int16"))
            else:
                cuts[f"cut_{name}"] = value.cast("string").fill_null(UNKNOWN)
        columns = [name for name in table.columns if read is None or name in read]
        if cuts or len(columns) < len(table.columns):
            table = joined.select(**{name: joined[name] for name in columns}, **cuts)
        for name, value in cut.only:
            coded = codes.get(available[name].lookup or "")
            table = table.filter(table[f"cut_{name}"] == (coded.code(name, value) if coded else value))
        return table


def _named_in(told: Iterable[Any]) -> set[str]:
    """All names in some expressions, those of columns among them."""
    return {word for value in told for word in re.findall(r"\w+", repr(value))}


def _told_by(leaf: Leaf) -> Iterator[Any]:
    """All that a leaf says of the columns that it reads."""
    yield from (leaf.at, *((EARNED, UNRATED) if isinstance(leaf, Accrual) else ()))
    for name in ("where", "value", "gap", "currency", "of", "columns"):
        if getattr(leaf, name, None) is not None:
            yield getattr(leaf, name)


def _group(task: Task) -> _Group:
    """Tasks with the same answer to this are computed together: one pass over the rows for all of their cuts."""
    leaf = task.leaf
    kind = next((kind for kind in (Revaluation, Accrual, Total) if isinstance(leaf, kind)), Leaf)
    return (leaf.facts, leaf.at, kind, task.cut.only, leaf.only)


def _every(tasks: Sequence[Task]) -> Cut:
    """All dimensions of the tasks together, within the limits that they share."""
    dimensions = tuple(dict.fromkeys(name for task in tasks for name in task.cut.dimensions))
    return Cut(dimensions, narrowed(tasks[0].cut, tasks[0].leaf).only)
