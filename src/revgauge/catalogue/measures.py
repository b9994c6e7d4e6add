"""Measures: what a metric function returns.

A measure is a small tree. Its leaves say which rows count, on which day each stands, over which days they are read and
how they are summed up; its branches are arithmetic. It names no engine and no single period: the planner collects the
leaves of many metrics, reads each table once for all of them, and the tree is then worked out for every period and cut.

A value that cannot be worked out is null and carries its reason; arithmetic passes the reason on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from revgauge.catalogue.spans import Days, During, Span, UpToClosing
from revgauge.model.period import Period

if TYPE_CHECKING:
    from revgauge.catalogue.facts import Facts

Statistic = Literal["mean", "median", "p90"]
Pace = Literal["day", "month"]
Column = Any
"""A column of the rows: its name, or an Ibis expression of them such as `_.amount * 2`."""


class Measure:
    """A quantity that has one value for each period and cut."""

    def __add__(self, other: Measure | int) -> Measure:
        """The sum of both."""
        return Arithmetic("+", self, as_measure(other))

    def __radd__(self, other: int) -> Measure:
        """The sum of both."""
        return Arithmetic("+", as_measure(other), self)

    def __sub__(self, other: Measure | int) -> Measure:
        """The difference."""
        return Arithmetic("-", self, as_measure(other))

    def __rsub__(self, other: int) -> Measure:
        """The difference."""
        return Arithmetic("-", as_measure(other), self)

    def __mul__(self, other: Measure | int) -> Measure:
        """The product."""
        return Arithmetic("*", self, as_measure(other))

    def __rmul__(self, other: int) -> Measure:
        """The product."""
        return Arithmetic("*", as_measure(other), self)

    def __truediv__(self, other: Measure | int) -> Measure:
        """The quotient: null, with the reason, where the divisor is zero or below."""
        return Arithmetic("/", self, as_measure(other))

    def parts(self) -> tuple[Measure, ...]:
        """The measures that it is made of."""
        return ()

    def leaves(self) -> Iterator[Leaf]:
        """All leaves below."""
        for part in self.parts():
            yield from part.leaves()


@dataclass(frozen=True, eq=False)
class Constant(Measure):
    """The same number everywhere."""

    value: Decimal


@dataclass(frozen=True, eq=False)
class Arithmetic(Measure):
    """Two measures joined by an operation."""

    operation: Literal["+", "-", "*", "/"]
    left: Measure
    right: Measure
    emptiness: str = ""
    """What it means that the divisor is zero, in words: the reason of the null."""

    def parts(self) -> tuple[Measure, ...]:
        """Left and right."""
        return (self.left, self.right)


@dataclass(frozen=True, eq=False)
class At(Measure):
    """Another measure at another period: the one before, the same a year ago, the opening."""

    measure: Measure
    when: Callable[[Period], Period]
    needs_begun: bool = True

    def parts(self) -> tuple[Measure, ...]:
        """The measure that is looked up."""
        return (self.measure,)


@dataclass(frozen=True, eq=False)
class OfPeriod(Measure):
    """A number that follows from the period alone, such as the days that have passed."""

    number: Callable[[Period], Decimal | None]
    emptiness: str = "the period has no such number"


@dataclass(frozen=True, eq=False)
class Worked(Measure):
    """A value worked out from other measures by a function of the numbers of one cell."""

    function: Callable[..., Decimal | None]
    of: tuple[Measure, ...]
    emptiness: str = "it cannot be worked out from its parts"

    def parts(self) -> tuple[Measure, ...]:
        """What the function is given."""
        return self.of


@dataclass(frozen=True, eq=False)
class History(Measure):
    """A value worked out from what other measures were in a run of periods, such as the months before.

    The function is given a list for each measure, in the order of the periods.
    """

    function: Callable[..., Decimal | None]
    of: tuple[Measure, ...]
    periods: Callable[[Period], Sequence[Period]]
    emptiness: str = "the periods before do not give it"

    def parts(self) -> tuple[Measure, ...]:
        """What is looked up in each of the periods."""
        return self.of


@dataclass(frozen=True, eq=False)
class Explained(Measure):
    """A measure with the factors that it is made of, by name, to be shown beside it."""

    measure: Measure
    factors: tuple[tuple[str, Measure], ...]

    def parts(self) -> tuple[Measure, ...]:
        """The measure and its factors."""
        return (self.measure, *(factor for _, factor in self.factors))


@dataclass(frozen=True, eq=False)
class Noted(Measure):
    """A measure with a mark beside it where a share of its rows is at least a limit."""

    measure: Measure
    mark: str
    share: Measure
    limit: Decimal

    def parts(self) -> tuple[Measure, ...]:
        """The measure and the share that decides the mark."""
        return (self.measure, self.share)


@dataclass(frozen=True, eq=False)
class Named(Measure):
    """The measure of another metric, by the metric's name."""

    name: str
    measure: Measure

    def parts(self) -> tuple[Measure, ...]:
        """The metric's own measure."""
        return (self.measure,)


@dataclass(frozen=True, eq=False)
class Uncut(Measure):
    """A measure that is not split with the rest: of all departments together, or of the whole company."""

    measure: Measure
    dimensions: tuple[str, ...] | None = None
    """The dimensions by which it is neither split nor limited; None: all of them."""

    def parts(self) -> tuple[Measure, ...]:
        """The measure of the whole."""
        return (self.measure,)

    def ignores(self, dimension: str) -> bool:
        """Whether its value is the same for each value of the dimension."""
        return self.dimensions is None or dimension in self.dimensions


@dataclass(frozen=True, eq=False)
class Unknown(Measure):
    """A value that nothing loaded can give."""

    reason: str


@dataclass(frozen=True, eq=False)
class Leaf(Measure):
    """Rows, the day on which each stands, and the days that are read."""

    facts: Facts
    at: str = "day"
    where: Column = None
    span: Span = field(default_factory=During)
    name: str = ""
    only: tuple[tuple[str, str], ...] = ()
    """Dimensions and the value to which its rows are limited, whatever a request asks for beside."""

    def leaves(self) -> Iterator[Leaf]:
        """Itself."""
        yield self

    def days(self, period: Period) -> Days:
        """The days read for the period."""
        return self.span(period)


@dataclass(frozen=True, eq=False)
class Total(Leaf):
    """A sum of a column, or a number of rows, over the days of the span."""

    value: Column = None
    """What is added up; empty: rows are counted."""
    gap: Column = None
    """Marks rows that count and whose value cannot be told; one of them makes the total null."""
    gap_reason: str = "an amount could not be converted: no exchange rate on or before its day"
    currency: str | None = None
    """The column with the currency, if amounts are kept in their own and converted on one day."""
    convert_on: Callable[[Period], date] | None = None
    """The day whose rates convert; empty: the last day of the span."""


@dataclass(frozen=True, eq=False)
class Revaluation(Total):
    """What changes of exchange rates alone did to a balance of amounts in their own currencies."""


@dataclass(frozen=True, eq=False)
class Accrual(Total):
    """What a balance earned over the span: each of its days adds the balance of that day at that day's rate.

    The facts hold changes of the balance, with the columns of `catalogue.accruals`; so the cost grows with the changes
    and not with the days.
    """

    pace: Pace = "day"
    """Of what the balance is an amount: of each day, or of each month, of which a day earns its part."""


@dataclass(frozen=True, eq=False)
class Distinct(Leaf):
    """How many different values a column has among the rows."""

    of: Column = "account_id"


@dataclass(frozen=True, eq=False)
class Spread(Leaf):
    """Mean, median or 90th percentile of a column; quantiles interpolate linearly (R's type 7)."""

    value: Column = None
    statistic: Statistic = "mean"
    gap: Column = None
    gap_reason: str = "an amount could not be converted: no exchange rate on or before its day"


@dataclass(frozen=True, eq=False)
class Curve(Leaf):
    """A statistic of a distribution that no engine has: a function of the counted values of a cell."""

    columns: tuple[str, ...] = ()
    function: Callable[..., Decimal | None] = lambda *_: None
    """Given the period, then one array for each column and last the array of counts."""
    emptiness: str = "there are too few rows"


def as_measure(number: Measure | int) -> Measure:
    """A measure as it is, a number as a constant measure."""
    return number if isinstance(number, Measure) else Constant(Decimal(number))


def limited(measure: Measure, only: tuple[tuple[str, str], ...]) -> Measure:
    """The same measure over the rows with these values of dimensions alone."""
    return _limited(measure, only, {})


def _limited(measure: Measure, only: tuple[tuple[str, str], ...], known: dict[int, Measure]) -> Measure:
    # A leaf that stands in several places stays one leaf, so that it is read once.
    if isinstance(measure, Explained):
        factors = tuple((name, _limited(factor, only, known)) for name, factor in measure.factors)
        return Explained(_limited(measure.measure, only, known), factors)
    if id(measure) not in known:
        changed: dict[str, Any] = {"only": (*measure.only, *only)} if isinstance(measure, Leaf) else {}
        if isinstance(measure, Uncut):
            left = tuple(pair for pair in only if not measure.ignores(pair[0]))
            known[id(measure)] = replace(measure, measure=_limited(measure.measure, left, {}))
            return known[id(measure)]
        for part in fields(measure):  # type: ignore[arg-type] # every kind of measure is a dataclass
            value = getattr(measure, part.name)
            if isinstance(value, Measure):
                changed[part.name] = _limited(value, only, known)
            elif isinstance(value, tuple) and any(isinstance(item, Measure) for item in value):
                changed[part.name] = tuple(_limited(item, only, known) for item in value)
        known[id(measure)] = replace(measure, **changed)  # type: ignore[type-var] # the same
    return known[id(measure)]


def cut_leaves(measure: Measure, ignored: tuple[Uncut, ...] = ()) -> Iterator[tuple[Leaf, tuple[Uncut, ...]]]:
    """All leaves below, each with what of it is not cut."""
    if isinstance(measure, Leaf):
        yield measure, ignored
    within = (*ignored, measure) if isinstance(measure, Uncut) else ignored
    for part in measure.parts():
        yield from cut_leaves(part, within)


def ratio(part: Measure, whole: Measure, empty: str = "") -> Measure:
    """Part over whole; null where the whole is zero or below, with `empty` as the reason in words."""
    return Arithmetic("/", part, whole, empty)


def count(facts: Facts, *, at: str = "day", where: Column = None, span: Span | None = None) -> Total:
    """The number of rows."""
    return Total(facts, at, where, span or During())


def total(
    facts: Facts,
    value: Column,
    *,
    at: str = "day",
    where: Column = None,
    span: Span | None = None,
    gap: Column = None,
) -> Total:
    """The sum of a column over the rows."""
    return Total(facts, at, where, span or During(), value=value, gap=gap)


def balance(
    facts: Facts,
    change: Column,
    *,
    at: str = "day",
    where: Column = None,
    span: Span | None = None,
    currency: str | None = None,
    convert_on: Callable[[Period], date] | None = None,
) -> Total:
    """The state on the last day of the span: all changes up to it, added up."""
    return Total(facts, at, where, span or UpToClosing(), value=change, currency=currency, convert_on=convert_on)


def accrual(facts: Facts, change: Column, *, currency: str, pace: Pace, span: Span | None = None) -> Accrual:
    """What a balance earned day by day, from its changes: of each month or of each day."""
    return Accrual(facts, span=span or During(), value=change, currency=currency, pace=pace)


def spread(
    facts: Facts,
    value: Column,
    statistic: Statistic,
    *,
    at: str = "day",
    where: Column = None,
    span: Span | None = None,
    gap: Column = None,
) -> Spread:
    """Mean, median or 90th percentile of a column over the rows."""
    return Spread(facts, at, where, span or During(), value=value, statistic=statistic, gap=gap)
