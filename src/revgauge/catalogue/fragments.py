"""Fragments of SQL in users' own definitions: conditions and values over the rows of one entity.

A fragment is parsed, checked against a short list of what may stand in it, and built anew as an expression of the rows;
its text never reaches the engine. Amounts of money are in the reporting currency, at the rate of the row's day; where
that rate is missing, what depends on the amount is unknown and never quietly false or zero. Decimals stay decimals,
whole numbers divide without being cut, and a division by zero is empty.
"""

from __future__ import annotations

import difflib
import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import ibis
import ibis.expr.datatypes as dt
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from revgauge.catalogue.engine import MONEY, day_literal, days_between, flag, local_day, seconds_between, times
from revgauge.model.fields import IBIS_TYPES, Entity, Field, FieldType

if TYPE_CHECKING:
    import ibis.expr.types as ir

RATE = "rate"
"""The column of the rows with the worth of a unit of their currency, where a fragment names an amount of money."""

Kind = Literal["text", "number", "boolean", "date", "instant", "null"]

_KINDS: dict[FieldType, Kind] = {
    "text": "text",
    "integer": "number",
    "number": "number",
    "money": "number",
    "boolean": "boolean",
    "date": "date",
    "instant": "instant",
}
_WORDS: dict[Kind, str] = {
    "text": "text",
    "number": "a number",
    "boolean": "true or false",
    "date": "a day",
    "instant": "an instant",
    "null": "nothing",
}
_EMPTY: dict[Kind, str] = {"text": "string", "number": "int64", "boolean": "boolean"}
_SCALES = {"integer": 0, "number": 8, "money": 14}
_STATED_SCALE = 6
_PLACES = 14
"""Places that a number keeps: those of a converted amount."""
_WIDEST = 22
"""Places of the widest product, so that 16 digits are left before the point."""
_MOST_NODES = 500

POSSIBLE = (
    "fields, numbers, 'texts', date '2025-01-31', true, false, null, + - * /, = <> < <= > >=, and, or, not, in, "
    "between, like, is null, case, coalesce, lower, upper, length, abs and round"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a fragment."""

    reason: str
    fix: str
    value: str
    rule: str = "fragment"


class FragmentError(ValueError):
    """A fragment that cannot be used; `faults` lists all that is wrong."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Keep the faults."""
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.reason for fault in self.faults))


def _wrong(reason: str, fix: str, node: exp.Expression) -> FragmentError:
    return FragmentError([Fault(reason, fix, node.sql())])


@dataclass(frozen=True)
class Fragment:
    """A checked fragment. `resolve` gives its expression over rows, as measures ask for it."""

    entity: Entity
    text: str
    tree: exp.Expression = field(compare=False)
    zone: str = "UTC"
    """The time zone in which instants are placed on days."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it names, each once."""
        return tuple(dict.fromkeys(node.name.lower() for node in self.tree.find_all(exp.Column)))

    @property
    def money(self) -> bool:
        """Whether it names an amount of money."""
        return _names_money(self.entity, self.tree)

    @property
    def kind(self) -> Kind:
        """What it gives for a row."""
        schema = {item.name: IBIS_TYPES[item.type] for item in self.entity.fields} | {RATE: "decimal(18, 8)"}
        return self._built(ibis.table(schema, name=self.entity.name)).kind

    def within(self, zone: str) -> Fragment:
        """The same fragment with instants placed on days in that time zone."""
        return replace(self, zone=zone)

    def resolve(self, table: ir.Table) -> Any:
        """Its value for each row of the table; numbers with places in the type of converted amounts."""
        built = self._built(table)
        return built.value.cast(MONEY) if built.kind == "number" and built.scale else built.value

    def untold(self, table: ir.Table) -> Any:
        """Whether the row has a value that cannot be told because a rate is missing."""
        if not self.money:
            return ibis.literal(False)
        return self._built(table, stated=True).value.notnull() & self._built(table).value.isnull()

    def _built(self, table: ir.Table, *, stated: bool = False) -> _Built:
        return _Builder(self.entity, table, self.zone, stated=stated).build(self.tree)


@dataclass(frozen=True)
class Counts:
    """Whether a row counts under a condition; one of which that cannot be told counts, so that it makes a gap."""

    condition: Fragment

    def resolve(self, table: ir.Table) -> Any:
        """The condition for each row of the table."""
        holds = self.condition.resolve(table).fill_null(False)
        return holds | self.condition.untold(table) if self.condition.money else holds


@dataclass(frozen=True)
class Untold:
    """Marks rows of which a fragment cannot be told because a rate is missing."""

    fragments: tuple[Fragment, ...]

    def resolve(self, table: ir.Table) -> Any:
        """1 for each such row, else 0."""
        return flag(functools.reduce(operator.or_, (fragment.untold(table) for fragment in self.fragments)))


def read_fragment(entity: Entity, text: str) -> Fragment:
    """The fragment over the rows of the entity. Raises FragmentError with everything that is wrong in it."""
    try:
        trees = sqlglot.parse(text)
    except (SqlglotError, RecursionError) as error:
        first = str(error).splitlines()[0].replace("\x1b[4m", "").replace("\x1b[0m", "")
        raise FragmentError([Fault(f"this is no SQL expression: {first}", "Correct it.", text)]) from error
    tree = trees[0]
    if len(trees) != 1 or not isinstance(tree, exp.Expression):
        fix = "Write one expression, such as amount * probability."
        raise FragmentError([Fault("there must be one expression", fix, text)])
    if faults := list(dict.fromkeys(_faults(entity, tree))):
        raise FragmentError(faults)
    fragment = Fragment(entity, text, tree)
    _ = fragment.kind  # built once now, so that what does not fit together is told when it is read
    return fragment


def _faults(entity: Entity, tree: exp.Expression) -> Iterable[Fault]:
    nodes = list(tree.walk())
    if len(nodes) > _MOST_NODES:
        fix = "Prepare a field of it in the mapping of the source."
        yield Fault("the expression is too long", fix, nodes[0].sql()[:60])
        return
    for node in nodes:
        if isinstance(node, exp.Column):
            yield from _column_faults(entity, node)
        elif isinstance(node, exp.AggFunc):
            fix = "Write what is aggregated here, and how in `aggregate`."
            yield Fault(f"`{node.sql()}` aggregates", fix, node.sql())
        elif not _possible(node):
            yield Fault(f"`{node.sql()}` is not possible in a definition", f"Possible are {POSSIBLE}.", node.sql())


def _possible(node: Any) -> bool:
    """Whether a node is one of those that are built, with nothing in it that would be passed over."""
    known = type(node) in _BUILDERS or (type(node), type(node.parent)) in _PARTS
    return known and all(name in _ARGUMENTS or not value for name, value in node.args.items())


def _column_faults(entity: Entity, node: exp.Column) -> Iterable[Fault]:
    if node.table and node.table.lower() != entity.name:
        elsewhere = f"`{node.sql()}` is not a field of the rows: they are {entity.name}"
        yield Fault(elsewhere, "Name a field of the rows alone.", node.sql(), "unknown_field")
    elif node.name.lower() not in entity.field_names:
        near = difflib.get_close_matches(node.name.lower(), entity.field_names, 1)
        fix = f"Write {near[0]}." if near else f"It has {', '.join(entity.field_names)}."
        yield Fault(f"{entity.name} has no field {node.name}", fix, node.name, "unknown_field")


def _names_money(entity: Entity, tree: exp.Expression) -> bool:
    return any(entity.field(node.name.lower()).type == "money" for node in tree.find_all(exp.Column))


@dataclass(frozen=True, slots=True)
class _Built:
    """An expression of the rows, what it gives, and the places of a number."""

    value: Any
    kind: Kind
    scale: int = 0
    field: Field | None = None
    """The field, if it is nothing but one."""
    word: str | None = None
    """The text, if it is nothing but one."""

    def to(self, scale: int) -> _Built:
        """A number with so many places: types are made alike here, since databases differ in how they do it."""
        if self.kind != "number" or not scale:
            return self
        return _Built(self.value.cast(dt.Decimal(38, scale)), "number", scale)


class _Builder:
    """Builds the expression of a tree over a table."""

    def __init__(self, entity: Entity, table: ir.Table, zone: str, *, stated: bool) -> None:
        """With `stated`, amounts are left in their own currencies: such a value tells only whether there is any."""
        self.entity = entity
        self.table = table
        self.zone = zone
        self.stated = stated

    def build(self, node: exp.Expression) -> _Built:
        """The expression of a node."""
        return _BUILDERS[type(node)](self, node)

    def as_stated(self, node: exp.Expression) -> Any:
        """The value of a node with amounts as stated, which is empty only where a field is."""
        return _Builder(self.entity, self.table, self.zone, stated=True).build(node).value

    def boolean(self, node: exp.Expression) -> Any:
        """A node that has to be true or false."""
        return self.of_kind(node, "boolean").value

    def number(self, node: exp.Expression) -> _Built:
        """A node that has to be a number."""
        return self.of_kind(node, "number")

    def of_kind(self, node: exp.Expression, kind: Kind) -> _Built:
        """A node that has to be of that kind."""
        built = self.build(node)
        if built.kind not in (kind, "null"):
            raise _wrong(f"`{node.sql()}` is {_WORDS[built.kind]}, not {_WORDS[kind]}", "Correct it.", node)
        return built if built.kind == kind else _Built(ibis.null(_EMPTY[kind]), kind)

    # -- what stands alone --------------------------------------------------------------------------------------------

    def column(self, node: exp.Expression) -> _Built:
        """A field of the row; money at the rate of the row's day."""
        item = self.entity.field(node.name.lower())
        value = self.table[item.name]
        scale = _SCALES.get(item.type, 0)
        if item.type == "money":
            scale = _STATED_SCALE if self.stated else _PLACES
            value = value if self.stated else times(value, self.table[RATE])
        return _Built(value, _KINDS[item.type], scale, item)

    def literal(self, node: exp.Expression) -> _Built:
        """A text or a number."""
        if node.args["is_string"]:
            return _Built(ibis.literal(node.name), "text", word=node.name)
        number = Decimal(node.name)
        if number == int(number) and abs(number) < 2**63:
            return _Built(ibis.literal(int(number), type="int64"), "number")
        places = max(0, -int(number.as_tuple().exponent))
        if places > _PLACES:
            raise _wrong(f"{node.sql()} has more than {_PLACES} places", "Round it.", node)
        return _Built(ibis.literal(number, type=dt.Decimal(38, places)), "number", places)

    def truth(self, node: exp.Expression) -> _Built:
        """True or false."""
        return _Built(ibis.literal(bool(node.this)), "boolean")

    def nothing(self, _node: exp.Expression) -> _Built:
        """Null."""
        return _Built(ibis.null(), "null")

    def inside(self, node: exp.Expression) -> _Built:
        """What stands in parentheses."""
        return self.build(node.this)

    def cast(self, node: exp.Expression) -> _Built:
        """A day, written as `date '2025-01-31'` or read from an instant."""
        built = self.build(node.this)
        dated = built.kind in ("date", "instant") or built.word is not None
        if node.args["to"].this is not exp.DataType.Type.DATE or not dated:
            raise _wrong(f"`{node.sql()}` is not possible", "Only a day can be cast to: date '2025-01-31'.", node)
        return self.day(built, node)

    def day(self, built: _Built, node: exp.Expression) -> _Built:
        """The day of a text, an instant or a day."""
        if built.kind == "instant":
            return _Built(local_day(built.value, self.zone), "date")
        if built.word is not None:
            try:
                return _Built(day_literal(date.fromisoformat(built.word)), "date")
            except ValueError:
                raise _wrong(f"'{built.word}' is no day", "Write it as '2025-01-31'.", node) from None
        return built

    # -- comparing ----------------------------------------------------------------------------------------------------

    def aligned(self, one: exp.Expression, other: exp.Expression) -> tuple[Any, Any]:
        """Two sides of a comparison in one type; instants are compared with days as the days on which they fall."""
        left, right = self.build(one), self.build(other)
        if "null" in (left.kind, right.kind):
            raise _wrong(
                f"`{one.sql()}` is compared with null, which never holds", "Write is null or is not null.", one
            )
        if {left.kind, right.kind} & {"date", "instant"} and not (left.kind == right.kind == "instant"):
            left, right = self.day(left, one), self.day(right, other)
        for side, known in ((left, right), (right, left)):
            if side.word is not None and known.field is not None and known.field.allowed:
                self.check_word(side.word, known.field, one)
        if left.kind != right.kind:
            reason = f"`{one.sql()}` is {_WORDS[left.kind]} and `{other.sql()}` is {_WORDS[right.kind]}"
            fix = "Write texts in single quotes and numbers without; compare like with like."
            raise _wrong(reason, fix, one)
        scale = max(left.scale, right.scale)
        return left.to(scale).value, right.to(scale).value

    def check_word(self, word: str, known: Field, node: exp.Expression) -> None:
        """Tell of a word that the field can never hold."""
        if word not in known.allowed:
            near = difflib.get_close_matches(word, known.allowed, 1)
            fix = f"Write '{near[0]}'." if near else f"It holds {', '.join(known.allowed)}."
            raise _wrong(f"{known.name} is never '{word}'", fix, node)

    def in_list(self, node: exp.Expression) -> _Built:
        """Whether a value is one of several."""
        if not node.expressions:
            raise _wrong(f"`{node.sql()}` is not possible", "List the values: stage in ('Demo', 'Trial').", node)
        pairs = [self.aligned(node.this, item) for item in node.expressions]
        return _Built(functools.reduce(operator.or_, (left == right for left, right in pairs)), "boolean")

    def between(self, node: exp.Expression) -> _Built:
        """Whether a value lies between two, both included."""
        low, high = self.aligned(node.this, node.args["low"]), self.aligned(node.this, node.args["high"])
        return _Built((low[0] >= low[1]) & (high[0] <= high[1]), "boolean")

    def is_word(self, node: exp.Expression) -> _Built:
        """Whether something is, or is not, null, true or false."""
        built = self.is_null_or_true(node)
        return _Built(~built.value, "boolean") if node.args.get("negate") else built

    def is_null_or_true(self, node: exp.Expression) -> _Built:
        """Whether something is null, true or false; always known, but for an amount without a rate."""
        if isinstance(node.expression, exp.Null):
            self.build(node.this)
            return _Built(self.as_stated(node.this).isnull(), "boolean")
        if isinstance(node.expression, exp.Boolean):
            holds = self.boolean(node.this) == bool(node.expression.this)
            if self.stated or not _names_money(self.entity, node.this):
                return _Built(holds.fill_null(False), "boolean")
            empty = self.as_stated(node.this).isnull()
            return _Built(ibis.ifelse(empty, False, holds), "boolean")
        raise _wrong(f"`{node.sql()}` is not possible", "Write is null, is true or is false.", node)

    def like(self, node: exp.Expression) -> _Built:
        """Whether a text has a pattern."""
        text, pattern = self.of_kind(node.this, "text"), self.build(node.expression)
        if pattern.word is None:
            raise _wrong(f"`{node.sql()}` is not possible", "Write the pattern as a text: like 'Enter%'.", node)
        found = text.value.ilike(pattern.word) if isinstance(node, exp.ILike) else text.value.like(pattern.word)
        return _Built(~found if node.args.get("negate") else found, "boolean")

    def negated(self, node: exp.Expression) -> _Built:
        """The opposite of a condition."""
        return _Built(~self.boolean(node.this), "boolean")

    # -- arithmetic ---------------------------------------------------------------------------------------------------

    def add(self, node: exp.Expression) -> _Built:
        """A sum or a difference."""
        left, right = self.number(node.this), self.number(node.expression)
        scale = max(left.scale, right.scale)
        one, other = left.to(scale).value, right.to(scale).value
        return _Built(one + other if isinstance(node, exp.Add) else one - other, "number", scale)

    def subtract(self, node: exp.Expression) -> _Built:
        """A difference of numbers, or the days from one day or instant to another."""
        left, right = self.build(node.this), self.build(node.expression)
        if not {left.kind, right.kind} & {"date", "instant"}:
            return self.add(node)
        later, earlier = self.aligned(node.this, node.expression)
        if left.kind == right.kind == "instant":
            return _Built(days_between(earlier, later).cast(MONEY), "number", _PLACES)
        seconds = seconds_between(earlier.cast("timestamp"), later.cast("timestamp"))
        return _Built((seconds / 86400).round().cast("int64"), "number")

    def multiply(self, node: exp.Expression) -> _Built:
        """A product, exact up to the places that are kept."""
        left, right = self.number(node.this), self.number(node.expression)
        wide, narrow = (left, right) if left.scale >= right.scale else (right, left)
        first = min(wide.scale, _PLACES)
        second = min(narrow.scale, _PLACES, _WIDEST - first)
        product = wide.value.cast(dt.Decimal(38, first)) * narrow.to(second).value
        return _Built(product.cast(dt.Decimal(38, first + second)), "number", first + second)

    def divide(self, node: exp.Expression) -> _Built:
        """A quotient with places; empty where the divisor is zero."""
        left, right = self.number(node.this), self.number(node.expression)
        quotient = left.value.cast("float64") / right.value.cast("float64").nullif(0.0)
        return _Built(quotient.cast(MONEY), "number", _PLACES)

    def minus(self, node: exp.Expression) -> _Built:
        """A number with the other sign."""
        built = self.number(node.this)
        return _Built(-built.value, "number", built.scale)

    def absolute(self, node: exp.Expression) -> _Built:
        """A number without its sign."""
        built = self.number(node.this)
        return _Built(built.value.abs(), "number", built.scale)

    def rounded(self, node: exp.Expression) -> _Built:
        """A number rounded to so many places, half away from zero."""
        built = self.number(node.this)
        places = node.args.get("decimals")
        wanted = 0 if places is None else int(places.name) if isinstance(places, exp.Literal) and places.is_int else -1
        if not 0 <= wanted <= _PLACES:
            raise _wrong(f"`{node.sql()}` is not possible", f"Give 0 to {_PLACES} places.", node)
        return _Built(built.value.round(wanted), "number", built.scale) if built.scale else built

    # -- choosing, and texts ------------------------------------------------------------------------------------------

    def case(self, node: exp.Expression) -> _Built:
        """The value of the first condition that holds; nothing if one before it cannot be told for lack of a rate."""
        subject: exp.Expression | None = node.args.get("this")
        branches: list[tuple[Any, exp.Expression | None]] = []
        for branch in node.args["ifs"]:
            asked = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject else branch.this
            holds = self.boolean(asked)
            if not self.stated and _names_money(self.entity, asked):
                branches.append((self.as_stated(asked).notnull() & holds.isnull(), None))
            branches.append((holds, branch.args["true"]))
        default: exp.Expression = node.args.get("default") or exp.Null()
        return self.chosen(branches, default, node)

    def coalesce(self, node: exp.Expression) -> _Built:
        """The first value that is not empty; an amount without a rate is not empty."""
        parts = [node.this, *node.expressions]
        return self.chosen([(self.as_stated(part).notnull(), part) for part in parts], exp.Null(), node)

    def chosen(
        self, branches: list[tuple[Any, exp.Expression | None]], default: exp.Expression, node: exp.Expression
    ) -> _Built:
        """Values by the first condition that holds, all of one kind."""
        nothing = exp.Null()
        built = [self.build(value or nothing) for _, value in branches]
        last = self.build(default)
        kinds: list[Kind] = list(dict.fromkeys(one.kind for one in (*built, last) if one.kind != "null"))
        if len(kinds) > 1:
            found = " and ".join(_WORDS[kind] for kind in kinds)
            raise _wrong(f"`{node.sql()}` gives {found}", "Let it give one kind of value.", node)
        if not kinds:
            return last
        scale = max(one.scale for one in (*built, last))
        pairs = [(holds, one.to(scale).value) for (holds, _), one in zip(branches, built, strict=True)]
        return _Built(ibis.cases(*pairs, else_=last.to(scale).value), kinds[0], scale)

    def of_text(self, node: exp.Expression) -> _Built:
        """A text in small or capital letters, or its length."""
        text = self.of_kind(node.this, "text").value
        if isinstance(node, exp.Length):
            return _Built(text.length().cast("int64"), "number")
        return _Built(text.lower() if isinstance(node, exp.Lower) else text.upper(), "text")


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[[_Builder, exp.Expression], _Built]:
    return lambda builder, node: _Built(compare(*builder.aligned(node.this, node.expression)), "boolean")


def _joined(join: Callable[[Any, Any], Any]) -> Callable[[_Builder, exp.Expression], _Built]:
    return lambda builder, node: _Built(join(builder.boolean(node.this), builder.boolean(node.expression)), "boolean")


_BUILDERS: dict[type[exp.Expression], Callable[[_Builder, Any], _Built]] = {
    exp.Abs: _Builder.absolute,
    exp.Add: _Builder.add,
    exp.And: _joined(operator.and_),
    exp.Between: _Builder.between,
    exp.Boolean: _Builder.truth,
    exp.Case: _Builder.case,
    exp.Cast: _Builder.cast,
    exp.Coalesce: _Builder.coalesce,
    exp.Column: _Builder.column,
    exp.Div: _Builder.divide,
    exp.EQ: _compared(operator.eq),
    exp.GT: _compared(operator.gt),
    exp.GTE: _compared(operator.ge),
    exp.ILike: _Builder.like,
    exp.In: _Builder.in_list,
    exp.Is: _Builder.is_word,
    exp.LT: _compared(operator.lt),
    exp.LTE: _compared(operator.le),
    exp.Length: _Builder.of_text,
    exp.Like: _Builder.like,
    exp.Literal: _Builder.literal,
    exp.Lower: _Builder.of_text,
    exp.Mul: _Builder.multiply,
    exp.NEQ: _compared(operator.ne),
    exp.Neg: _Builder.minus,
    exp.Not: _Builder.negated,
    exp.Null: _Builder.nothing,
    exp.Or: _joined(operator.or_),
    exp.Paren: _Builder.inside,
    exp.Round: _Builder.rounded,
    exp.Sub: _Builder.subtract,
    exp.Upper: _Builder.of_text,
}
"""What may stand in a fragment, and how it is built."""

_PARTS = {
    (exp.If, exp.Case),
    (exp.DataType, exp.Cast),
    (exp.Identifier, exp.Column),
}
"""What may stand in it as a part of something else."""

_ARGUMENTS = {
    *("this", "expression", "expressions", "low", "high", "ifs", "true", "default", "decimals", "to", "table"),
    *("negate", "is_string", "quoted", "is_nvl"),
}
"""What the builders read of a node; one with anything else in it is refused."""

__all__ = ["RATE", "Counts", "Fault", "Fragment", "FragmentError", "Untold", "read_fragment"]
