"""From names to measures and tables: definitions are called with what they read, each table is made once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revgauge.catalogue.context import Context, missing_words
from revgauge.catalogue.facts import Facts, Scope, freeze
from revgauge.catalogue.measures import Measure, Named, Unknown, cut_leaves, limited
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Catalogue, Definition, Derived, Metric
from revgauge.model.entities import ENTITIES

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.values_of import ValuesOf


class NotComputable(Exception):  # noqa: N818 - it is an answer, not an error
    """Data that a definition needs was never loaded; `missing` lists `entity` or `entity.field`."""

    def __init__(self, missing: list[str]) -> None:
        """Name everything that is missing."""
        super().__init__(missing_words(missing))
        self.missing = missing


def _argument(definition: Definition, param: str) -> str:
    """The name of a parameter in the function, where it ends in an underscore if the bare word means something else."""
    return param if param in _arguments(definition.function) else f"{param}_"


@functools.cache
def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


class Resolver:
    """Calls definitions and keeps what they return, for one evaluation."""

    def __init__(self, catalogue: Catalogue, context: Context) -> None:
        """Resolve names of the catalogue over the warehouse of the context."""
        self.catalogue = catalogue
        self.context = context
        self._tables: dict[Facts, ir.Table] = {}
        self._asked: dict[Facts, frozenset[str]] = {}
        self._made_with: dict[Facts, frozenset[str]] = {}
        self._measures: dict[tuple[Any, ...], Measure] = {}
        self._kept: dict[Facts, frozenset[Facts]] = {}
        # Both follow the definitions down to the entities, and are asked of the same few tables again and again.
        self._costly = functools.cache(self._costly_columns)
        self._whole_by = functools.cache(lambda name: catalogue.whole_by(catalogue.derived[name]))
        self._lookups = {
            dimension.lookup for table in catalogue.derived.values() for dimension in table.dimensions.values()
        }
        self.values_of: ValuesOf | None = None
        """Values of other metrics, for tables that are made of them; set by the evaluation."""

    def missing(self, needs: tuple[str, ...]) -> list[str]:
        """Which of the needed `entity.field`s no source fills."""
        return self.context.missing(needs)

    def measure(self, metric: Metric, params: Mapping[str, Any], scope: Scope) -> Measure:
        """The measure of a metric; Unknown, with the reason, where something needed was never loaded.

        The same question has the same measure, so that what several metrics are made of is computed once.
        Raises ParamError if a parameter without a default is missing.
        """
        key = (metric.name, freeze(params), scope)
        if key not in self._measures:
            self._measures[key] = self._measure(metric, params, scope)
        return self._measures[key]

    def _measure(self, metric: Metric, params: Mapping[str, Any], scope: Scope) -> Measure:
        if missing := self.missing(metric.needs):
            return Unknown(missing_words(missing))
        known = self._known(metric, params)
        lacking = [param for name, param in metric.own_params.items() if param.required and name not in known]
        if lacking:
            wanted = ", ".join(f"{param.name} ({param.describe()})" for param in lacking)
            raise ParamError(f"{metric.name} needs {wanted}")
        scope = replace(scope, split=scope.split.union(metric.limits))
        if metric.compares is not None:
            calendar = self.context.calendar
            compared = {one for period in scope.periods for one in metric.compares(calendar, period, known)}
            scope = replace(scope, periods=tuple(sorted(compared)))
        parts = [self._part(metric, name, known, scope) for name in metric.reads]
        own = {_argument(metric, name): known[name] for name in metric.own_params}
        measure = metric.function(*parts, **own)
        if not isinstance(measure, Measure):
            raise TypeError(f"{metric.name} returned {type(measure).__name__}, not a Measure")
        return self._limited(metric, measure) if metric.limits else measure

    def _limited(self, metric: Metric, measure: Measure) -> Measure:
        """The measure within the limits of the metric; Unknown where something that it reads lacks the dimension."""
        for leaf, uncut in cut_leaves(measure):
            facts = self.catalogue.derived.get(leaf.facts.name)
            asked = [name for name in metric.limits if not any(part.ignores(name) for part in uncut)]
            lacking = [name for name in asked if facts is None or name not in facts.dimensions]
            if lacking:
                return Unknown(f"{leaf.facts.name}, which it reads, has no dimension {' or '.join(lacking)}")
        return limited(measure, tuple(sorted(metric.limits.items())))

    def _known(self, definition: Definition, params: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters that the definition and its parts see."""
        values = {name: param.default for name, param in definition.own_params.items() if not param.required}
        values |= {name: value for name, value in params.items() if name not in definition.fixed}
        return values | dict(definition.fixed)

    def _part(self, reader: Metric, name: str, params: Mapping[str, Any], scope: Scope) -> Any:
        if name == "context":
            return self.context.within(scope)
        part = self.catalogue.part(reader, name)
        if isinstance(part, Metric):
            known = self.catalogue.params(part)
            measure = self.measure(part, {key: value for key, value in params.items() if key in known}, scope)
            return Named(part.name, measure)
        return self.facts(name, params, scope)

    def facts(self, name: str, params: Mapping[str, Any], scope: Scope) -> Facts:
        """The name of a derived table or entity with just the parameters and scope that it depends on."""
        if name in ENTITIES:
            return Facts(name)
        definition = self.catalogue.derived[name]
        known = self.catalogue.params(definition)
        values = {key: params.get(key, param.default) for key, param in known.items()}
        periods = scope.periods if self.per_period(definition, {**values, **definition.fixed}) else ()
        frozen = tuple(sorted((key, freeze(value)) for key, value in values.items()))
        asked = scope.split.union(scope.whole_by)
        whole_by = tuple(name for name in self._whole_by(definition.name) if name in asked)
        return Facts(name, frozen, Scope(whole_by, periods))

    def per_period(self, definition: Derived, params: Mapping[str, Any]) -> bool:
        """Whether a derived table, or one that it reads, compares the ends of periods."""
        rule = definition.per_period
        if rule(params) if callable(rule) else rule:
            return True
        parts = (self.catalogue.derived.get(name) for name in definition.reads)
        return any(
            self.per_period(part, {**params, **definition.fixed, **part.fixed}) for part in parts if part is not None
        )

    def ask(self, facts: Facts, columns: Iterable[str] | None) -> None:
        """Say which columns of the facts will be read, so that costly ones are made for a reason; None: all.

        The tables that they are made of are told too: one that several readers share is then made once, for all.
        """
        costly = self._costly(facts.name)
        wanted = costly if columns is None else costly.intersection(columns)
        known = self._asked.get(facts)
        if known is not None and wanted <= known:
            return
        self._asked[facts] = wanted.union(known or ())
        for part in self._parts(facts):
            self.ask(part, wanted)

    def kept(self, facts: Facts) -> frozenset[Facts]:
        """The tables of their own that facts are made of; they themselves too, if they are one."""
        if facts not in self._kept:
            definition = self.catalogue.derived.get(facts.name)
            known = {facts} if definition is not None and definition.kept else set()
            for part in self._parts(facts):
                known |= self.kept(part)
            self._kept[facts] = frozenset(known)
        return self._kept[facts]

    def _parts(self, facts: Facts) -> list[Facts]:
        """The derived tables that facts are made of directly."""
        definition = self.catalogue.derived.get(facts.name)
        if definition is None:
            return []
        params = {**facts.params_dict(), **definition.fixed}
        return [self.facts(name, params, facts.scope) for name in definition.reads if name in self.catalogue.derived]

    def _costly_columns(self, name: str) -> frozenset[str]:
        """The costly columns of a derived table and of those that it reads."""
        definition = self.catalogue.derived.get(name)
        if definition is None:
            return frozenset()
        return frozenset(definition.costly).union(*(self._costly(part) for part in definition.reads))

    def table(self, facts: Facts) -> ir.Table:
        """The table of facts, made when first asked for; NotComputable if what it needs was never loaded."""
        asked = self._asked.get(facts, self._costly(facts.name))
        if facts not in self._tables or not asked <= self._made_with[facts]:
            self._tables[facts] = self._make(facts, asked)
            self._made_with[facts] = asked
        return self._tables[facts]

    def _make(self, facts: Facts, asked: frozenset[str]) -> ir.Table:
        if facts.name in ENTITIES:
            return self._entity(facts.name, optional=False)
        definition = self.catalogue.derived[facts.name]
        if missing := self.missing(definition.needs):
            raise NotComputable(missing)
        params = {**facts.params_dict(), **definition.fixed}
        parts: list[Any] = []
        for name in definition.reads:
            if name == "context":
                parts.append(self.context.within(facts.scope, asked))
            elif name == "values_of":
                parts.append(self.values_of)
            elif name in ENTITIES:
                parts.append(self._entity(name, optional=name in definition.optional))
            else:
                part = self.facts(name, params, facts.scope)
                self.ask(part, asked)
                parts.append(self.table(part))
        own = {_argument(definition, name): params[name] for name in definition.own_params}
        table = definition.function(*parts, **own)
        lasting = facts.name in self._lookups
        return self.context.warehouse.keep(facts.name, table, lasting=lasting) if definition.kept else table

    def _entity(self, name: str, *, optional: bool) -> ir.Table:
        warehouse = self.context.warehouse
        if warehouse.loaded(name):
            return warehouse.entity(name)
        if optional:
            return warehouse.empty(name)
        raise NotComputable([name])
