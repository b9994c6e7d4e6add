"""What an operation means, whatever the database makes of it.

Definitions are Ibis expressions, and Ibis leaves to each database what it does with a division of whole numbers, a
divisor of zero or a half that is rounded. Before an expression runs its operations are exchanged for ones that give the
same answer everywhere. `EVERYWHERE` holds what is exchanged for all; each engine adds what only it needs. `CAREFUL`
writes types out wherever some database chooses others: PostgreSQL needs it, and it is right anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops

from revgauge.catalogue.engine.expressions import as_zone, in_zone

if TYPE_CHECKING:
    import ibis.expr.types as ir


class NotThere(Exception):  # noqa: N818 - it says what a database lacks
    """A database cannot compute an operation; the text says what to do."""


Rule = Callable[[Any], Any]
"""Takes an operation whose parts are exchanged already; gives the value to put in its place, or None to leave it."""


def rewritten(expression: ir.Table, rules: Mapping[type, Rule]) -> ir.Table:
    """The expression with its operations exchanged by the rules."""
    together = {**EVERYWHERE, **rules}

    def exchanged(node: Any, changed: dict[str, Any] | None) -> Any:
        made = node if changed is None else node.__recreate__(changed)
        rule = together.get(type(made))
        other = None if rule is None else rule(made)
        return made if other is None else other.op()

    root = expression.op()
    if not any(together[type(node)](node) is not None for node in root.find(tuple(together))):
        return expression
    return root.replace(exchanged).to_expr()


def _value(operation: Any) -> Any:
    return operation.to_expr()


def _floating(operation: Any) -> Any:
    return operation.to_expr() if operation.dtype.is_floating() else operation.to_expr().cast("float64")


def _divided(node: ops.Divide) -> Any:
    """Always a true division, and nothing where there is nothing to divide by."""
    below = node.right
    harmless = isinstance(below, ops.Literal) and below.value != 0
    guarded = isinstance(below, ops.NullIf)
    if harmless and node.left.dtype.is_floating() and below.dtype.is_floating():
        return None
    if guarded and node.left.dtype.is_floating() and below.dtype.is_floating():
        return None
    right = _floating(below)
    return ops.Divide(_floating(node.left).op(), (right if harmless or guarded else right.nullif(0.0)).op()).to_expr()


def _filtered_quantile(node: Any) -> Any:
    """A quantile of the rows that fulfil a condition: of a column that is empty elsewhere."""
    if node.where is None:
        return None
    limited = ibis.ifelse(_value(node.where), _value(node.arg), ibis.null(node.arg.dtype))
    return node.copy(arg=limited.op(), where=None).to_expr()


def _whole(node: ops.Cast) -> Any:
    """A number cast to a whole one is rounded, halves away from zero."""
    kind = node.arg.dtype
    if not node.to.is_integer() or not (kind.is_floating() or kind.is_decimal()) or isinstance(node.arg, WHOLE):
        return None
    if kind.is_decimal() and kind.scale == 0:
        return None
    number = _value(node.arg)
    half = ibis.literal(0.5) if kind.is_floating() else ibis.literal("0.5").cast(kind)
    whole = ibis.ifelse(number < 0, -(half - number).floor(), (number + half).floor())
    return whole.cast(node.to)


WHOLE = (ops.Floor, ops.Ceil)
"""Operations whose answer is whole whatever its type is."""


def _day(node: Any) -> Any:
    """A day stays a day: PostgreSQL makes an instant of what is added to it or truncated."""
    return ops.Cast(node, dt.date).to_expr()


def _statistic(node: Any) -> Any:
    """A mean, a deviation or a quantile is a floating number, of decimals too."""
    if node.arg.dtype.is_floating():
        return None
    return node.copy(arg=_floating(node.arg).op()).to_expr()


def _quantile(node: Any) -> Any:
    limited = _filtered_quantile(node)
    floating = _statistic(node if limited is None else limited.op())
    return limited if floating is None else floating


def _truth(node: ops.Cast) -> Any:
    """A truth value as a number: 1 or 0, and nothing where it is not known."""
    if not (node.arg.dtype.is_boolean() and node.to.is_numeric()):
        return _whole(node)
    known = _value(node.arg)
    return ibis.cases((known, 1), (~known, 0)).cast(node.to)


def _epoch(node: ops.ExtractEpochSeconds) -> Any:
    """Seconds that are over: the fraction is left out, and not rounded."""
    return ops.Cast(ops.Floor(ops.Cast(node, dt.float64)), dt.int64).to_expr()


def _rounded(node: ops.Round) -> Any:
    """A floating number is rounded to so many places as it is, halves away from zero."""
    places = node.digits
    if not node.arg.dtype.is_floating() or not (places is None or isinstance(places, ops.Literal)):
        return None
    shift = 10.0 ** (int(places.value) if places is not None else 0)
    number = _value(node.arg)
    whole = (number.abs() * shift + 0.5).floor() / shift
    return ibis.ifelse(number < 0, -whole, whole).cast(node.dtype)


EVERYWHERE: dict[type, Rule] = {
    ops.Divide: _divided,
    ops.Quantile: _quantile,
    ops.Median: _quantile,
    ops.Cast: _whole,
    ops.ExtractEpochSeconds: _epoch,
    ops.Round: _rounded,
}

CAREFUL: dict[type, Rule] = {
    ops.DateAdd: _day,
    ops.DateSub: _day,
    ops.DateTruncate: _day,
    ops.Mean: _statistic,
    ops.StandardDev: _statistic,
    ops.Variance: _statistic,
    ops.Cast: _truth,
}


@ibis.udf.scalar.builtin(name="convert_timezone", signature=((dt.string, dt.string, dt.Timestamp()), dt.Timestamp()))  # type: ignore[untyped-decorator]  # Ibis has no types there
def _convert(source: str, target: str, moment: Any) -> Any:
    """What a clock in the target zone shows when one in the source zone shows the moment."""


AMBIGUOUS = ibis.interval(hours=3)
"""Longer than any clock was ever put back at once."""


def _converted(node: Any) -> Any:
    """A clock of one zone read in another; when a clock shows the same hour twice, the second counts, as elsewhere."""
    inner = node.args[1]
    if not isinstance(inner, type(as_zone("UTC", _MOMENT).op())):
        return None
    target, source, moment = _value(node.args[0]), _value(inner.args[0]), _value(inner.args[1])
    early = _convert(source, target, moment)
    if isinstance(inner.args[0], ops.Literal) and inner.args[0].value == "UTC":
        return early
    late = _convert(source, target, moment + AMBIGUOUS) - AMBIGUOUS
    return ibis.ifelse(_convert(target, source, late) == moment, late, early)


_MOMENT = ibis.literal("2025-01-01 00:00:00").cast("timestamp")

_IN_ZONE = type(in_zone("UTC", as_zone("UTC", _MOMENT)).op())

SPARK: dict[type, Rule] = {_IN_ZONE: _converted, ops.Cast: _truth}


def _unknown_zone(node: Any) -> Any:
    raise NotThere(f"it is not known how it counts time in the zone {node.args[0].value}; set `time_zone: UTC`")


def _sized(node: ops.Literal) -> Any:
    """A decimal that is written down has the places that it has; not every database has a size for one without."""
    if not node.dtype.is_decimal() or node.dtype.precision is not None or node.value is None:
        return None
    _sign, digits, exponent = node.value.as_tuple()
    places = max(0, -exponent)
    return ibis.literal(node.value, dt.Decimal(max(len(digits) + max(0, exponent), places + 1), places))


def _quantile_of_list(node: Any) -> Any:
    """A quantile told from all numbers in their order: between the two next to its place, in proportion."""
    plain = _quantile(node)
    node = node if plain is None else plain.op()
    number, last = _value(node.arg), _value(node.arg).count() - 1
    fraction = _value(node.quantile) if isinstance(node, ops.Quantile) else 0.5
    place = last.cast("float64") * fraction
    below = ibis.greatest(place.floor().cast("int64"), 0)
    every = number.collect(order_by=number)
    low, high = every[below], every[ibis.least(below + 1, last)]
    return low + (high - low) * (place - below.cast("float64"))


def elsewhere(*, zones: bool, quantiles: bool) -> dict[type, Rule]:
    """The rules for a database that is not known further: those that are true of any, types always written out.

    With `zones` it has the function `convert_timezone`, as Spark does; without `quantiles` it has only near ones.
    """
    rules: dict[type, Rule] = {**CAREFUL, ops.Literal: _sized, _IN_ZONE: _converted if zones else _unknown_zone}
    return rules if quantiles else {**rules, ops.Quantile: _quantile_of_list, ops.Median: _quantile_of_list}
