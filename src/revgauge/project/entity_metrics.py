"""Own metrics that aggregate the rows of one entity.

Metrics over the same entity and day share one table of facts, so that they share its scans. Merged rows are left out,
accounts are replaced by the ones they were merged into, instants after the day `now` are as if not there, and amounts
are converted at the rate of the row's day.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Dimension, Facts, of_account, own
from revgauge.catalogue.fragments import Counts, Fragment, FragmentError, Untold, read_fragment
from revgauge.catalogue.measures import Distinct, Measure, Spread, Statistic, Total, total
from revgauge.catalogue.registry import Derived, Metric
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import Entity, Field
from revgauge.project.metrics_yml import FAMILY, Aggregate, OfRows
from revgauge.project.places import Place
from revgauge.sources.problems import Problem

if TYPE_CHECKING:
    import ibis.expr.types as ir

ACCOUNT_DIMENSIONS = ("segment", "region", "industry", "channel", "owner_id")
"""Fields of the account by which rows with an account can always be cut."""

OTHERS_CURRENCY = "opportunity_history"
"""The entity whose amounts may be in the currency of another row."""


@dataclass(frozen=True)
class Rows:
    """Which rows count, and what is made of them."""

    entity: Entity
    when: Field
    aggregate: Aggregate
    where: Fragment | None
    value: Fragment | None
    by: tuple[str, ...]

    @property
    def facts(self) -> str:
        """The name of the table that it shares with other metrics."""
        return f"own_{self.entity.name}_by_{self.when.name}"

    @property
    def fragments(self) -> tuple[Fragment, ...]:
        """Its condition and its value."""
        return tuple(fragment for fragment in (self.where, self.value) if fragment is not None)

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """By what it can be cut: the fields it lists, and those of the account."""
        found = own(*self.by)
        if "account_id" in self.entity.field_names:
            mine = [name for name in ("account_id", *ACCOUNT_DIMENSIONS) if name in self.entity.field_names]
            theirs = [name for name in ACCOUNT_DIMENSIONS if name not in self.entity.field_names]
            found |= own(*mine) | of_account(*theirs)
        return found

    @property
    def used(self) -> set[str]:
        """The fields that it reads."""
        fields = {name for fragment in self.fragments for name in fragment.fields}
        return fields | {column.column for column in self.dimensions.values()} | {self.when.name, *self.entity.key}

    def measure(self, facts: Facts, context: Context) -> Measure:
        """The measure over the shared table."""
        zone = context.settings.time_zone
        value = self.value.within(zone) if self.value else None
        where = Counts(self.where.within(zone)) if self.where else None
        converted = tuple(fragment for fragment in self.fragments if fragment.money)
        gap = Untold(converted) if converted else None
        match self.aggregate:
            case "sum" | "count":
                return Total(facts, where=where, value=value, gap=gap)
            case "distinct":
                values: Measure = Distinct(facts, where=where, of=value)
                # A number of values has no gap of its own; the number of gaps beside it is zero or passes them on.
                return values + total(facts, gap, where=where, gap=gap) if gap else values
            case "mean" | "median" | "p90":
                statistic: Statistic = self.aggregate
                return Spread(facts, where=where, value=value, statistic=statistic, gap=gap)

    def words(self) -> str:
        """The formula in words."""
        what = f"number of {self.entity.name}" if self.value is None else f"{self.aggregate} of {self.value.text}"
        over = f" over {self.entity.name}" if self.value is not None else ""
        condition = f" where {self.where.text}" if self.where else ""
        return f"{what}{over}{condition}, by the day of {self.when.name}"


def read_rows(block: OfRows, place: Place) -> tuple[Rows | None, list[Problem]]:
    """Which rows a definition is about; or everything that is wrong with the names and fragments in it."""
    if block.rows not in ENTITIES:
        near = difflib.get_close_matches(block.rows, ENTITIES, 1)
        fix = f"Write {near[0]}." if near else f"There are {', '.join(ENTITIES)}."
        return None, [place.problem("rows", "unknown_entity", f"there is no entity {block.rows}", fix, block.rows)]
    entity = ENTITIES[block.rows]
    problems = _when(entity, block, place) + _by(entity, block, place) + _value_given(block, place)
    read: dict[str, Fragment | None] = {}
    for key, text in (("where", block.where), ("value", block.value)):
        try:
            read[key] = read_fragment(entity, text) if text is not None else None
        except FragmentError as error:
            problems += [place.problem(key, fault.rule, fault.reason, fault.fix, fault.value) for fault in error.faults]
    if problems:
        return None, problems
    rows = Rows(entity, entity.field(block.when), block.aggregate, read["where"], read["value"], block.by)
    problems = _kinds(rows, place)
    return (None, problems) if problems else (rows, [])


def _when(entity: Entity, block: OfRows, place: Place) -> list[Problem]:
    days = [field.name for field in entity.fields if field.type in ("date", "instant")]
    if block.when in days:
        return []
    near = difflib.get_close_matches(block.when, days, 1)
    fix = (
        f"Write {near[0]}." if near else f"It has {', '.join(days)}." if days else "Its rows cannot be placed in time."
    )
    reason = f"{entity.name} has no day or instant {block.when}"
    return [place.problem("when", "unknown_field", reason, fix, block.when)]


def _by(entity: Entity, block: OfRows, place: Place) -> list[Problem]:
    possible = [
        field.name for field in entity.fields if field.type in ("text", "boolean", "integer") and not field.personal
    ]
    if "account_id" in entity.field_names:
        possible += [name for name in ACCOUNT_DIMENSIONS if name not in possible]
    problems: list[Problem] = []
    for name in block.by:
        if name not in possible:
            near = difflib.get_close_matches(name, possible, 1)
            fix = f"Write {near[0]}." if near else f"Possible are {', '.join(possible)}."
            problems.append(place.problem("by", "unknown_field", f"{entity.name} cannot be cut by {name}", fix, name))
    return problems


def _value_given(block: OfRows, place: Place) -> list[Problem]:
    if block.aggregate == "count" and block.value is not None:
        fix = "Remove `value`, or write the condition in `where`."
        return [place.problem("value", "shape", "count counts rows and takes no value", fix)]
    if block.aggregate != "count" and block.value is None:
        fix = "Add `value`: the field or expression."
        return [place.problem("aggregate", "missing", f"{block.aggregate} needs a value", fix)]
    return []


def _kinds(rows: Rows, place: Place) -> list[Problem]:
    problems: list[Problem] = []
    if rows.where is not None and rows.where.kind != "boolean":
        fix = "Write a condition, such as amount > 0."
        problems.append(place.problem("where", "fragment", f"`{rows.where.text}` is not true or false", fix))
    if rows.value is not None and rows.aggregate != "distinct" and rows.value.kind != "number":
        fix = "Write a number of the row, such as amount, or case when ... then 1 else 0 end."
        reason = f"{rows.aggregate} needs a number, and `{rows.value.text}` is none"
        problems.append(place.problem("value", "fragment", reason, fix))
    if rows.entity.name == OTHERS_CURRENCY and any(fragment.money for fragment in rows.fragments):
        fix = "Use the amount of opportunities."
        reason = f"amounts of {OTHERS_CURRENCY} may be in the currency of their opportunity"
        problems.append(place.problem("value", "fragment", reason, fix))
    return problems


def facts_of(several: Sequence[Rows]) -> list[Derived]:
    """The table that metrics over the same rows and day share, and the one of merged rows, which count under others."""
    first = several[0]
    entity, when = first.entity, first.when
    used = {name for rows in several for name in rows.used}
    money = any(fragment.money for rows in several for fragment in rows.fragments)
    columns = [field for field in entity.fields if field.name in used or (money and field.name == "currency")]
    dimensions = {name: dimension for rows in several for name, dimension in rows.dimensions.items()}

    def dated(table: ir.Table, context: Context) -> ir.Table:
        day = context.day(table[when.name]) if when.type == "instant" else table[when.name]
        # An instant after `now` has not happened; a day may be a plan and stands.
        happened = {field.name: context.known(table[field.name]) for field in columns if field.type == "instant"}
        rows = table.mutate(**happened, day=day).filter(_.day <= context.today())
        return context.resolved(rows) if "account_id" in used else rows

    def merged(table: ir.Table) -> ir.BooleanValue:
        return table.duplicate_of.notnull() & (table.duplicate_of != table[entity.key[0]])

    def facts(table: ir.Table, context: Context) -> ir.Table:
        if "duplicate_of" in entity.field_names:
            table = table.filter(~merged(table))
        rows = dated(table, context).select(*[field.name for field in columns], "day")
        if money:
            rows = rows.mutate(currency=_.currency.fill_null(context.reporting_currency))
            rows = context.with_rate(rows, "currency", "day")
        return rows

    def left_out(table: ir.Table, context: Context) -> ir.Table:
        rows = dated(table.filter(merged(table)), context)
        return rows.select(*[field.name for field in columns], "day", reason="merged into " + _.duplicate_of)

    facts.__doc__ = f"{entity.about} Each row on the day of {when.name}, as the project's own metrics read it."
    left_out.__doc__ = f"Rows of {entity.name} that were merged into others."
    reads, needs = (entity.name, "context"), (f"{entity.name}.{when.name}",)
    name, key = first.facts, entity.key
    tables = [Derived(name, facts, reads, {}, needs=needs, dimensions=dimensions, row_key=key)]
    if "duplicate_of" in entity.field_names:
        tables.append(Derived(f"{name}_left_out", left_out, reads, {}, needs=needs, dimensions=dimensions, row_key=key))
    return tables


def metric_of(rows: Rows, block: OfRows, facts: Derived, origin: str) -> Metric:
    """The metric of a definition over the shared table."""

    def value(facts: Facts, context: Context) -> Measure:
        return rows.measure(facts, context)

    value.__module__ = FAMILY
    value.__doc__ = f"{block.definition}\n\nUnit: {block.unit}\nFormula: {rows.words()}"
    needs = dict.fromkeys(f"{rows.entity.name}.{name}" for fragment in rows.fragments for name in fragment.fields)
    return Metric(
        block.id,
        value,
        (facts.name, "context"),
        {},
        needs=tuple(needs),
        label=block.label,
        unit=block.unit,
        better=block.better,
        timing=block.timing,
        kind="flow",
        aliases=block.aliases,
        excluded=tuple(name for name in facts.dimensions if name not in rows.dimensions),
        origin=origin,
    )
