"""What operations cost by what drives it: the commissions and campaigns of each period.

Both are amounts for a stretch of days, of which a period takes those that it covers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.accruals import with_earnings
from revgauge.catalogue.engine import MONEY, flag, times
from revgauge.catalogue.facts import own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

DIMENSIONS = own("category", "department")


@derived(dimensions=DIMENSIONS, row_key=("person_id",), needs=("people.annual_salary",))
def salary_earnings(employment_changes: ir.Table, context: Context) -> ir.Table:
    """Changes of the salaries of a year, of which each day earns its part of the month: twelve times its cost."""
    return with_earnings(employment_changes.mutate(category=ibis.literal("compensation")), context, "month")


def _days(first: Any, last: Any) -> Any:
    """How many days there are from the first to the last."""
    return (last.epoch_days() - first.epoch_days() + 1).cast("int64")


@derived(
    per_period=True,
    dimensions=DIMENSIONS,
    row_key=("person_id", "campaign_id"),
    needs=("commissions.amount", "campaigns.budget", "people.department"),
)
def spread_costs(commissions: ir.Table, campaigns: ir.Table, people: ir.Table, context: Context) -> ir.Table:
    """The part of each commission and each campaign's budget that falls into a period, spread evenly over its days.

    A commission is at the rate of the last of these days, a campaign at that of the first. A campaign without an end is
    spent on its first day. `day` is the first day of the period.
    """
    of_person = people.select(of_person=_.person_id, department=_.department)
    paid = commissions.left_join(of_person, commissions.person_id == of_person.of_person).select(
        *("person_id", "department", "amount", "currency"),
        campaign_id=ibis.null("string"),
        category=ibis.literal("commission"),
        first=_.period_start,
        until=_.period_end,
    )
    a_day = ibis.interval(days=1)
    run = campaigns.select(
        *("department", "currency", "campaign_id"),
        person_id=ibis.null("string"),
        amount=_.budget,
        category=ibis.literal("advertising"),
        first=_.started_on,
        until=ibis.coalesce(_.ended_on, (_.started_on + a_day).cast("date")),
    )
    columns = ("category", "person_id", "campaign_id", "department", "amount", "currency", "first", "until")
    rows = paid.select(*columns).union(run.select(*columns))
    rows = rows.filter((_.until > _.first) & _.amount.notnull())
    rows = rows.mutate(last=(_.until - a_day).cast("date"))
    spine = context.warehouse.literal_table(
        {"period_start": "date", "closing": "date"},
        [(period.start, period.closing) for period in context.periods if period.begun],
    )
    met = rows.inner_join(spine, [rows.first <= spine.closing, rows["last"] >= spine.period_start])
    met = met.mutate(from_day=ibis.greatest(_.first, _.period_start), to_day=ibis.least(_["last"], _.closing))
    met = met.mutate(
        rate_day=ibis.ifelse(_.category == "commission", _.to_day, _.from_day),
        covered=_days(_.from_day, _.to_day),
        of_days=_days(_.first, _["last"]),
    )
    rated = context.with_rate(met, "currency", "rate_day")
    worth = times(_.amount, _.rate.fill_null(Decimal(0)))
    share = (worth.cast("float64") * _.covered.cast("float64") / _.of_days.cast("float64")).cast("decimal(38, 10)")
    return rated.select(
        *("category", "department", "person_id", "campaign_id", "from_day", "to_day", "of_days", "currency"),
        day=_.period_start,
        stated=_.amount,
        amount=ibis.ifelse(_.covered == _.of_days, worth, share.cast(MONEY)).cast(MONEY),
        unconverted=flag(_.rate.isnull() & (_.amount != 0)),
    )
