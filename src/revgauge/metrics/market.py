"""Market: which part of what could be sold, and of what is sold by all, is ours."""

from __future__ import annotations

from typing import Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import At, Measure, Worked, count, ratio, total
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import YearOfClosing
from revgauge.derived.revenue import last_twelve_months

NO_SIZE = "no market size for that year is known"


def _size(market_sizes: Facts, context: Context, column: str) -> Measure:
    """The size of the market in the year of the closing day: of the segment, or the whole one, or all segments."""
    year = YearOfClosing()
    money = column != "addressable_accounts"

    def sized(where: object) -> tuple[Measure, Measure, Measure]:
        """The sum of a kind of rows, how many there are, and of how many the size is told."""
        gap = _[f"unconverted_{column}"] if money else None
        told = total(market_sizes, f"told_{column}", where=where, span=year)
        rows = count(market_sizes, where=where, span=year)
        return total(market_sizes, column, where=where, span=year, gap=gap), rows, told

    parts = sized(~_.whole)
    if "segment" in context.split:
        return Worked(lambda size, rows, told: size if rows and rows == told else None, parts, NO_SIZE)
    return Worked(
        lambda whole, _rows, known, size, rows, told: whole if known else size if rows and rows == told else None,
        (*sized(_.whole), *parts),
        NO_SIZE,
    )


@metric(label="Addressable market penetration", unit=Unit.RATIO, kind="ratio")
def market_penetration(
    active_customers: Measure,
    arr: Measure,
    market_sizes: Facts,
    context: Context,
    *,
    measure: Literal["accounts", "value"] = "accounts",
) -> Measure:
    """The part of the companies that could buy who do, or of what they could spend that they spend with us.

    The market is that of the year of the closing day: by segment the segment's; else the one given for all segments,
    or the sum of them. Its money is at the rate of 31 December of that year, or of `now` if that comes first.

    Unit: share of the addressable market
    Formula: paying customers / addressable accounts (ARR / addressable revenue)
    Null: no size of the market is given for that year
    Seed: S0
    Source: farris-metrics
    So what: room to grow; if low look at coverage and territories, if high at the next segment
    """
    if measure == "value":
        return ratio(arr, _size(market_sizes, context, "addressable_revenue"), NO_SIZE)
    return ratio(active_customers, _size(market_sizes, context, "addressable_accounts"), NO_SIZE)


@metric(label="Market share", unit=Unit.RATIO, kind="ratio")
def market_share(revenue: Measure, market_sizes: Facts, context: Context) -> Measure:
    """The part of what the whole market sells in a year that is ours.

    Unit: share of the market's revenue
    Formula: revenue of the 12 months up to the closing day / revenue of the market in the year of that day
    Null: no revenue of the market is given for that year
    Edges: a market given for all segments comes before the sum of the segments
    Seed: S0, S3
    Source: farris-metrics
    So what: are we winning, or does the market carry us
    """
    return ratio(At(revenue, last_twelve_months), _size(market_sizes, context, "market_revenue"), NO_SIZE)


@metric(label="Market share expansion", unit=Unit.POINTS, kind="formula")
def market_share_change(market_share: Measure, context: Context) -> Measure:
    """The share of the market less that of a year before, each of the market of its own year.

    Unit: points of share, as a fraction
    Formula: market share - market share of the same period a year before
    Null: the size of the market is not given for one of the two years
    Seed: S0
    Source: farris-metrics
    So what: if negative while revenue grows, competitors grow faster
    """
    return market_share - At(market_share, context.calendar.year_before)
