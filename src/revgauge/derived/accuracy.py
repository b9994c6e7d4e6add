"""What was foreseen against what came: pairs of both, and how far they are apart.

The actual is the value of any metric of the catalogue, so these tables are made of values and not of rows. They have
one row for each target, which is few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from revgauge.catalogue.exact import PRECISION, ZERO

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context
    from revgauge.catalogue.values_of import Known, ValuesOf
    from revgauge.model.period import Period

NUMBER = "decimal(38, 14)"
PLACES = Decimal(1).scaleb(-14)
MEASURED = {
    "foreseen": NUMBER,
    "actual": NUMBER,
    "excess": NUMBER,
    "miss": NUMBER,
    "size": NUMBER,
    "relative": NUMBER,
    "symmetric": NUMBER,
    "is_known": "int64",
    "unknown": "string",
}
"""Foreseen and actual; the first less the second, without its sign, and the actual without its sign; the miss over the
actual, and over the mean of both; whether the actual is known, and if not why."""


@dataclass(frozen=True)
class Target:
    """A period that something was foreseen for."""

    period: Period
    foreseen: Decimal
    of: str
    """The value of a dimension that it was foreseen for; empty: the company."""
    told: Mapping[str, Any]


def comparisons(
    targets: Sequence[Target],
    context: Context,
    values_of: ValuesOf,
    metric: str,
    dimension: str,
    columns: Mapping[str, str],
) -> ir.Table:
    """A row for each target with the metric's value, limited to the target's own value of the dimension."""
    whole = [target.period for target in targets if not target.of]
    parts = [target for target in targets if target.of]
    actuals: dict[tuple[str, Period], Known] = {}
    if whole:
        actuals = {("", period): known for period, known in values_of.of(metric, whole).items()}
    if parts:
        periods = [target.period for target in parts]
        actuals |= values_of.by(metric, periods, dimension, [target.of for target in parts])
    schema = {"period_start": "date", "period_end": "date", **columns, **MEASURED}
    rows = [
        (
            target.period.start,
            target.period.end,
            *(target.told[name] for name in columns),
            *_measured(target.foreseen, actuals[target.of, target.period]),
        )
        for target in targets
    ]
    return context.warehouse.literal_table(schema, rows)


def _measured(foreseen: Decimal, known: Known) -> tuple[Any, ...]:
    """The columns that say how far what was foreseen is from what came."""
    if known.value is None:
        return (_rounded(foreseen), None, None, None, None, None, None, 0, known.reason)
    with localcontext(prec=PRECISION):
        actual = known.value
        miss, both = abs(actual - foreseen), abs(actual) + abs(foreseen)
        numbers = (
            foreseen,
            actual,
            foreseen - actual,
            miss,
            abs(actual),
            miss / abs(actual) if actual else None,
            2 * miss / both if both else ZERO,
        )
        return (*(None if number is None else _rounded(number) for number in numbers), 1, None)


def _rounded(number: Decimal) -> Decimal:
    with localcontext(prec=PRECISION):
        return number.quantize(PLACES, ROUND_HALF_EVEN)


def in_periods(compared: ir.Table, context: Context) -> ir.Table:
    """The rows for each period that holds the whole of their target, dated on its first day."""
    spine = context.warehouse.literal_table(
        {"day": "date", "next_day": "date"},
        [(period.start, period.end) for period in context.periods if period.begun],
    )
    return compared.inner_join(
        spine, (compared.period_start >= spine.day) & (compared.period_end <= spine.next_day)
    ).drop("next_day")
