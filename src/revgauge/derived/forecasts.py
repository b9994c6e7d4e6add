"""Forecasts against what came: which forecast counts for each period, and what the metric was then.

By `person_id` or `category` a forecast stands for itself: without them the table holds the company's forecasts alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import day_literal
from revgauge.catalogue.facts import own
from revgauge.catalogue.params import MetricName
from revgauge.catalogue.registry import derived
from revgauge.derived.accuracy import Target, comparisons, in_periods
from revgauge.model.period import DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context
    from revgauge.catalogue.values_of import ValuesOf

FORECAST_DIMENSIONS = own("person_id", "category")
TARGET = ("period_start", "period_end")
COLUMNS = {"person_id": "string", "category": "string", "made_on": "date"}


@derived(
    kept=False,
    whole_by=("person_id", "category"),
    needs=("forecasts.metric", "forecasts.made_on", "forecasts.period_start", "forecasts.period_end"),
)
def forecasts_of_metric(
    forecasts: ir.Table, context: Context, values_of: ValuesOf, *, metric: MetricName, horizon_days: int | None = None
) -> ir.Table:
    """Forecasts of a metric, made by `now`, with the reason for which one does not count; empty where it does.

    The latest forecast of each author counts for a target, made on or before its first day; with `horizon_days` that
    many days before its end. Of two made on one day the larger counts. An author without a name is the company, and
    where it made no forecast those of people are added up.
    """
    names = values_of.names(metric)
    rows = forecasts.filter(_.metric.strip().lower().isin(names) & (_.made_on <= context.today()))
    rows = rows.filter(_.category.notnull() if "category" in context.whole_by else _.category.isnull())
    rows = rows.select(*TARGET, *COLUMNS, forecast=_.value)
    early = _.made_on <= _.period_start
    if horizon_days is not None:
        early = _.period_end.epoch_days() - _.made_on.epoch_days() >= horizon_days
    limit = "its first day" if horizon_days is None else f"{horizon_days} days before its end"
    rows = rows.mutate(in_time=early, over=_.period_end <= day_literal(context.now + DAY))
    authors = ibis.window(
        group_by=[*TARGET, "person_id", "category", "in_time"], order_by=[ibis.desc("made_on"), ibis.desc("forecast")]
    )
    rows = rows.mutate(place=ibis.row_number().over(authors))
    chosen = _.in_time & (_.place == 0)
    company = ibis.ifelse(chosen & _.person_id.isnull(), 1, 0)
    rows = rows.mutate(company=company.max().over(ibis.window(group_by=[*TARGET, "category"])))
    by_person = "person_id" in context.whole_by
    other_author = _.person_id.isnull() if by_person else _.person_id.notnull() & (_.company == 1)
    said = "it is the company's, and a person was asked for" if by_person else "the company has a forecast of its own"
    reason = ibis.cases(
        (_.period_end <= _.period_start, "it ends before it begins"),
        (~_.over, f"its period is not over on {context.now}"),
        (~_.in_time, f"it was made after {limit}"),
        (_.place > 0, "a later or larger one of the same author counts"),
        (other_author, said),
        else_=None,
    )
    return rows.select(*TARGET, *COLUMNS, "forecast", reason=reason)


@derived(kept=False, dimensions=FORECAST_DIMENSIONS, row_key=("period_start", "period_end"))
def forecast_comparisons(
    forecasts_of_metric: ir.Table, context: Context, values_of: ValuesOf, *, metric: MetricName
) -> ir.Table:
    """One row for each target with the forecast that counts, the metric's value then, and how far they are apart.

    By person it is the value of the accounts that the person owns.
    """
    group = [*TARGET, *(name for name in ("person_id", "category") if name in context.whole_by)]
    counting = forecasts_of_metric.filter(_.reason.isnull())
    summed = counting.group_by(*group).aggregate(forecast=_.forecast.sum(), made_on=_.made_on.max())
    rows = context.warehouse.fetch(summed.order_by(group), "forecasts").to_pylist()
    targets = [
        Target(
            context.calendar.spanning(row["period_start"], row["period_end"]),
            row["forecast"],
            row.get("person_id") or "",
            {name: row.get(name) for name in COLUMNS},
        )
        for row in rows
    ]
    return comparisons(targets, context, values_of, metric, "owner_id", COLUMNS)


@derived(per_period=True, kept=False, dimensions=FORECAST_DIMENSIONS, row_key=TARGET, left_out="forecasts_left_out")
def forecast_pairs(forecast_comparisons: ir.Table, context: Context) -> ir.Table:
    """Forecasts against actuals, for each period that their target lies in: `day` is the first day of that period."""
    return in_periods(forecast_comparisons, context)


@derived(kept=False, dimensions=FORECAST_DIMENSIONS, row_key=TARGET)
def forecasts_left_out(forecasts_of_metric: ir.Table) -> ir.Table:
    """Forecasts of the metric that count for nothing, and why; `day` is the first day of their target."""
    return forecasts_of_metric.filter(_.reason.notnull()).mutate(day=_.period_start)
