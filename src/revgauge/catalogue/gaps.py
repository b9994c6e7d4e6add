"""Gaps: what can be computed, what only in part, what not at all, and what is missing for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ibis import _

from revgauge.catalogue.context import missing_words
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.measures import Measure, Named, Unknown
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Definition, Derived, Metric
from revgauge.model.entities import ENTITIES

Status = Literal["computable", "partial", "not computable"]


@dataclass(frozen=True)
class Gap:
    """One thing that is missing for a metric."""

    entity: str
    field: str | None
    rows: int
    """Rows of the entity that were loaded."""
    lacking: int
    """How many of them lack the field; all of them where no source fills it."""
    astray: bool = False
    """The field is there, and names a row that is not."""

    @property
    def name(self) -> str:
        """The entity, or its field."""
        return self.entity if self.field is None else f"{self.entity}.{self.field}"

    @property
    def share(self) -> float:
        """The share of the rows that are affected."""
        return 1.0 if self.rows == 0 else self.lacking / self.rows

    def sentence(self) -> str:
        """What is missing and what to do."""
        if self.field is None:
            meaning = ENTITIES[self.entity].about.rstrip(".").lower()
            return f"{self.entity} was never loaded ({meaning}): map a source to it"
        if self.astray:
            target = ENTITIES[self.entity].field(self.field).refers_to
            share = f"{self.lacking} of {self.rows} rows ({self.share:.0%})"
            return f"{self.name} names no row of {str(target).partition('.')[0]} in {share}"
        if self.lacking == self.rows:
            return f"no source fills {self.name}: add it to the mapping of {self.entity}"
        return f"{self.name} is empty in {self.lacking} of {self.rows} rows ({self.share:.0%})"


@dataclass(frozen=True)
class Finding:
    """Whether a metric can be computed, and what is missing."""

    metric: Metric
    status: Status
    gaps: tuple[Gap, ...]
    reason: str = ""

    @property
    def affected(self) -> float:
        """The largest share of rows that a gap affects."""
        return max((gap.share for gap in self.gaps), default=0.0)


def _unknown(measure: Measure) -> Iterator[str]:
    """The metrics inside a measure that cannot be worked out at all."""
    if isinstance(measure, Named) and isinstance(measure.measure, Unknown):
        yield measure.name
    for part in measure.parts():
        yield from _unknown(part)


def _named(reason: str) -> Iterator[str]:
    """The entities and fields that a reason names."""
    for word in re.findall(r"\w+(?:\.\w+)?", reason):
        entity, _dot, field = word.partition(".")
        if entity in ENTITIES and (not field or field in ENTITIES[entity].field_names):
            yield word


class GapFinder:
    """Looks for gaps in what an evaluation can read."""

    def __init__(self, evaluation: Evaluation) -> None:
        """Look at the warehouse of an evaluation."""
        self.evaluation = evaluation
        self.warehouse = evaluation.context.warehouse
        self._astray: dict[str, Gap | None] = {}

    def findings(self) -> Iterator[Finding]:
        """Every metric of the catalogue with its status."""
        for metric in self.evaluation.catalogue.metrics.values():
            yield self.finding(metric)

    def finding(self, metric: Metric) -> Finding:
        """One metric with its status under its default parameters."""
        found = (self._gap(need) for need in dict.fromkeys(self._reads(metric)))
        gaps = [gap for gap in dict.fromkeys(found) if gap is not None]
        absent = tuple(gap for gap in gaps if gap.share == 1.0 and (gap.field is not None or gap.rows == 0))
        if absent:
            return Finding(metric, "not computable", absent, missing_words(sorted(gap.name for gap in absent)))
        measure = self._measure(metric)
        if isinstance(measure, Unknown):
            told = (self._gap(need) for need in dict.fromkeys(_named(measure.reason)))
            return Finding(metric, "not computable", tuple(gap for gap in told if gap is not None), measure.reason)
        astray = (self._leading_nowhere(link) for link in dict.fromkeys(self._follows(metric, measure)))
        gaps += [gap for gap in astray if gap is not None]
        return Finding(metric, "partial" if gaps else "computable", tuple(gaps))

    def _measure(self, metric: Metric) -> Measure | None:
        calendar = self.evaluation.context.calendar
        period = calendar.containing(self.evaluation.context.now, "month")
        try:
            return self.evaluation.measure(Request(metric.name, (period,)))[2]
        except ParamError:
            return None

    def _reads(self, metric: Metric) -> Iterator[str]:
        """The entities and fields that a metric cannot do without, under its default parameters."""
        yield from metric.needs
        catalogue = self.evaluation.catalogue
        measure = self._measure(metric)
        if measure is None or isinstance(measure, Unknown):
            for name in metric.reads:
                part = catalogue.part(metric, name)
                if isinstance(part, Derived):
                    yield from self._needs(part)
                elif isinstance(part, Metric):
                    yield from self._reads(part)
            return
        for name in _unknown(measure):
            yield from self._reads(catalogue.metrics[name])
        for leaf in measure.leaves():
            if leaf.facts.name in ENTITIES:
                yield leaf.facts.name
            else:
                yield from self._needs(catalogue.derived[leaf.facts.name])

    def _needs(self, definition: Definition) -> Iterator[str]:
        catalogue = self.evaluation.catalogue
        yield from definition.needs
        optional: frozenset[str] = getattr(definition, "optional", frozenset())
        for name in definition.reads:
            if name in ENTITIES and name not in optional:
                yield name
            elif name in catalogue.derived:
                yield from self._needs(catalogue.derived[name])

    def _follows(self, metric: Metric, measure: Measure | None) -> Iterator[str]:
        """The references that are followed for a metric."""
        yield from metric.follows
        for leaf in () if measure is None else measure.leaves():
            yield from self._links(leaf.facts.name)

    def _links(self, name: str) -> Iterator[str]:
        definition = self.evaluation.catalogue.derived.get(name)
        if definition is not None:
            yield from definition.follows
            for part in definition.reads:
                yield from self._links(part)

    def _leading_nowhere(self, link: str) -> Gap | None:
        """How many rows have a reference to a row that was not loaded; None if there is none such."""
        if link not in self._astray:
            self._astray[link] = self._counted(link)
        return self._astray[link]

    def _counted(self, link: str) -> Gap | None:
        entity, _dot, field = link.partition(".")
        target, _dot, key = str(ENTITIES[entity].field(field).refers_to).partition(".")
        if not self.warehouse.loaded(entity) or not self.warehouse.loaded(target):
            return None
        table = self.warehouse.entity(entity)
        there = self.warehouse.entity(target).select(there=_[key])
        named = table.filter(table[field].notnull()).select(named=_[field])
        lost = named.anti_join(there, named.named == there.there)
        ((rows,),) = self.warehouse.pairs(table.aggregate(rows=table.count()))
        ((lacking,),) = self.warehouse.pairs(lost.aggregate(rows=lost.count()))
        return Gap(entity, field, rows, lacking, astray=True) if lacking else None

    def _gap(self, need: str) -> Gap | None:
        entity, _, field = need.partition(".")
        if not self.warehouse.loaded(entity):
            return Gap(entity, None, 0, 0)
        if not field:
            return None
        if field not in self.warehouse.fields(entity):
            rows = max((rows for rows, _ in self.warehouse.fields(entity).values()), default=0)
            return Gap(entity, field, rows, rows) if rows else Gap(entity, field, 1, 1)
        rows, filled = self.warehouse.fields(entity)[field]
        declared = ENTITIES[entity].field(field)
        # An empty day or instant says that something has not happened; an empty amount is one that nobody knows.
        tells = declared.required or declared.type == "money"
        return Gap(entity, field, rows, rows - filled) if filled < rows and tells else None
