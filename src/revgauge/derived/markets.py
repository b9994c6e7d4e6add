"""How large the markets are, by segment and year."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, flag, times
from revgauge.catalogue.facts import UNKNOWN, own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

WHOLE = "all"
"""The segment of a row about the whole market; so is one without a segment."""
AMOUNTS = ("addressable_revenue", "market_revenue")


@derived(dimensions=own("segment"), row_key=("segment", "year"), needs=("markets.year",))
def market_sizes(markets: ir.Table, context: Context) -> ir.Table:
    """The size of each segment's market, dated on the first day of its year; `whole` marks that of all segments.

    Money is at the rate of the last day of the year, or of `now` if that comes first; `unconverted` marks a row of
    which an amount has no rate.
    """
    rows = markets.filter(_.year.notnull() & (_.year <= context.now.year))
    whole = rows.segment.isnull() | (rows.segment.lower() == WHOLE)
    first = ibis.row_number().over(ibis.window(group_by=["year", "whole"], order_by=[_.segment.notnull(), "segment"]))
    rows = rows.mutate(whole=whole).mutate(place=first).filter(~_.whole | (_.place == 0))
    years = [(year,) for (year,) in context.warehouse.pairs(rows.select("year").distinct())]
    closings = context.warehouse.literal_table(
        {"of_year": "int64", "day": "date", "rate_day": "date"},
        [(year, date(year, 1, 1), min(date(year, 12, 31), context.now)) for (year,) in years],
    )
    dated = rows.inner_join(closings, rows.year.cast("int64") == closings.of_year)
    rated = context.with_rate(dated, "currency", "rate_day")
    return rated.select(
        *("year", "whole", "day", "addressable_accounts"),
        segment=ibis.ifelse(_.whole, WHOLE, _.segment.fill_null(UNKNOWN)),
        **{name: ibis.ifelse(_[name].notnull(), times(_[name], _.rate), None).cast(MONEY) for name in AMOUNTS},
        **{f"unconverted_{name}": flag(_.rate.isnull() & _[name].notnull()) for name in AMOUNTS},
        **{f"told_{name}": flag(_[name].notnull()) for name in ("addressable_accounts", *AMOUNTS)},
    ).mutate(**{name: _[name].fill_null(Decimal(0)) for name in AMOUNTS})
