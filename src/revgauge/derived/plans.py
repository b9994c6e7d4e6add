"""Plans against what came: the planned value of each period, and what the metric was then.

By `segment` a plan stands for itself: without it the table holds the company's plans alone.
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

TARGET = ("period_start", "period_end")
COLUMNS = {"segment": "string"}


@derived(
    kept=False, whole_by=("segment",), needs=("plans.metric", "plans.period_start", "plans.period_end", "plans.value")
)
def plans_of_metric(plans: ir.Table, context: Context, values_of: ValuesOf, *, metric: MetricName) -> ir.Table:
    """Plans of a metric, with the reason for which one does not count; empty where it does.

    Of two plans for one target the larger counts.
    """
    rows = plans.filter(_.metric.strip().lower().isin(values_of.names(metric)))
    rows = rows.filter(_.segment.notnull() if "segment" in context.whole_by else _.segment.isnull())
    by_size = ibis.window(group_by=[*TARGET, "segment"], order_by=ibis.desc("value"))
    rows = rows.select(*TARGET, *COLUMNS, plan=_.value, place=ibis.row_number().over(by_size))
    reason = ibis.cases(
        (_.period_end <= _.period_start, "it ends before it begins"),
        (_.period_end > day_literal(context.now + DAY), f"its period is not over on {context.now}"),
        (_.place > 0, "a larger plan of the same period counts"),
        else_=None,
    )
    return rows.select(*TARGET, *COLUMNS, "plan", reason=reason)


@derived(kept=False, dimensions=own("segment"), row_key=TARGET)
def plan_comparisons(
    plans_of_metric: ir.Table, context: Context, values_of: ValuesOf, *, metric: MetricName
) -> ir.Table:
    """One row for each target with its plan, the metric's value then, and how far they are apart.

    The value of a segment's plan is that of the segment.
    """
    counting = plans_of_metric.filter(_.reason.isnull()).order_by([*TARGET, "segment"])
    rows = context.warehouse.fetch(counting, "plans").to_pylist()
    targets = [
        Target(
            context.calendar.spanning(row["period_start"], row["period_end"]),
            row["plan"],
            row["segment"] or "",
            {"segment": row["segment"]},
        )
        for row in rows
    ]
    return comparisons(targets, context, values_of, metric, "segment", COLUMNS)


@derived(per_period=True, kept=False, dimensions=own("segment"), row_key=TARGET, left_out="plans_left_out")
def plan_pairs(plan_comparisons: ir.Table, context: Context) -> ir.Table:
    """Plans against actuals, for each period that their target lies in: `day` is the first day of that period."""
    return in_periods(plan_comparisons, context)


@derived(kept=False, dimensions=own("segment"), row_key=TARGET)
def plans_left_out(plans_of_metric: ir.Table) -> ir.Table:
    """Plans of the metric that count for nothing, and why; `day` is the first day of their target."""
    return plans_of_metric.filter(_.reason.notnull()).mutate(day=_.period_start)
