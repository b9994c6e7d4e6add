"""Unit economics: what a customer leaves over."""

from __future__ import annotations

from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.costs import margin_over


@metric(label="Gross margin", unit=Unit.RATIO, kind="ratio", excluded=("channel",))
def gross_margin(mrr_earnings: Facts, booked_expenses: Facts) -> Measure:
    """What recurring revenue leaves over after the cost of serving customers, as a share of it, for the whole company.

    Other metrics multiply by a margin that is given, or else by this one over the twelve months up to the closing day.

    Unit: share of recurring revenue
    Formula: (recurring revenue - expenses of category cogs) / recurring revenue
    Null: no cost of goods is booked in the period, or there is no revenue
    Edges: a cost of goods of 0 is known, one that is not booked is not
    Source: skok, updata
    So what: what a customer leaves over; if low look at hosting, support and services
    Benchmark: 65 to 70 % over a company's life (bessemer-2021)
    """
    return margin_over(mrr_earnings, booked_expenses)
