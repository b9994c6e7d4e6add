"""Actions that people were asked to take: offers and conversions, on their days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import seconds_between, wall_clock
from revgauge.catalogue.facts import own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

DIMENSIONS = own("channel", "campaign_id")


@derived(
    dimensions=DIMENSIONS,
    row_key=("subject_id", "action", "event"),
    needs=("conversions.subject_id", "conversions.converted_at"),
)
def conversion_events(conversions: ir.Table, context: Context) -> ir.Table:
    """One row for each offer (`offered`) and one for each action taken (`converted`), on its day.

    `first` marks a subject's first offer of an action. `own_after` is the time on a wall clock until this very offer
    was taken up, `taken_after` until the subject first took the action after its first offer, `watched` until the end
    of the day `now`, all in seconds. `elapsed` are the seconds that passed between offer and conversion, `waited` those
    until the conversion or the end of the day `now`, and `arrived` says which of the two.
    """
    rows = conversions.mutate(offered_at=context.known(_.offered_at), converted_at=context.known(_.converted_at))
    subject = ("action", "subject_id")
    together = ibis.window(group_by=subject)
    in_order = ibis.window(
        group_by=subject, order_by=[_.offered_at.isnull(), "offered_at", "converted_at", "channel", "campaign_id"]
    )
    rows = rows.mutate(
        first_offer=_.offered_at.min().over(together),
        first=_.offered_at.notnull() & (ibis.row_number().over(in_order) == 0),
        own_taken_at=ibis.ifelse(_.converted_at >= _.offered_at, _.converted_at, None),
    )
    rows = rows.mutate(taken_at=ibis.ifelse(_.converted_at >= _.first_offer, _.converted_at, None).min().over(together))
    zone = context.settings.time_zone

    def after(instant: Any) -> Any:
        return seconds_between(wall_clock(_.offered_at, zone), wall_clock(instant, zone))

    rows = rows.select(
        *("subject_id", "action", "channel", "campaign_id", "offered_at", "converted_at", "first"),
        own_after=after(_.own_taken_at),
        taken_after=after(_.taken_at),
        watched=after(context.end()),
        elapsed=seconds_between(_.offered_at, _.converted_at),
        waited=seconds_between(_.offered_at, ibis.coalesce(_.converted_at, context.end())),
        arrived=_.converted_at.notnull(),
    )
    usual = rows.group_by(usual_action=_.action).aggregate(usual=_.own_after.cast("float64").quantile(0.9))
    joined = rows.left_join(usual, rows.action == usual.usual_action)
    rows = joined.select(*rows.columns, young=(_.watched < _.usual).fill_null(False))
    offered = rows.filter(_.offered_at.notnull()).mutate(event=ibis.literal("offered"), day=context.day(_.offered_at))
    converted = rows.filter(_.converted_at.notnull()).mutate(
        event=ibis.literal("converted"), day=context.day(_.converted_at)
    )
    return offered.union(converted)


@derived(kept=False, dimensions=DIMENSIONS, row_key=("subject_id", "action", "reason"))
def conversion_events_left_out(conversion_events: ir.Table) -> ir.Table:
    """Conversions that are in no rate and no time, only in the count, and why."""
    told = ("subject_id", "action", "day", "channel", "campaign_id", "offered_at", "converted_at")
    converted = conversion_events.filter(_.event == "converted")
    never = converted.filter(_.offered_at.isnull()).select(*told, reason=ibis.literal("never offered"))
    early = converted.filter(_.elapsed < 0).select(*told, reason=ibis.literal("converted before it was offered"))
    return never.union(early)
