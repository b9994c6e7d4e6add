"""Deals that are open, as changes of their number: on the days on which they come, go, change hands or fall overdue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.registry import derived
from revgauge.derived.opportunities import OPPORTUNITY_DIMENSIONS, after_day, spells
from revgauge.model.period import DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context


@derived(
    kept=False,
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id"),
    needs=("opportunities.created_at", "opportunities.closed_at"),
    left_out="deal_events_left_out",
    costly=("owner_id", "overdue"),
)
def open_deal_changes(deal_states: ir.Table, open_deal_turns: ir.Table, context: Context) -> ir.Table:
    """Changes of the number of open deals, to be added up to a state, and of those past their expected close.

    A deal that changes hands leaves one owner and comes to the other on the same day; owner and expected date of a day
    are the last ones known at its end.
    """
    return open_deal_turns if _turning(context) else _opened_and_closed(deal_states)


def _turning(context: Context) -> bool:
    """Whether it matters who has a deal or when it is expected to close, and not only that it is open."""
    return context.asks("owner_id") or context.asks("overdue")


@derived(costly=("owner_id", "overdue"))
def open_deal_turns(deal_states: ir.Table, opportunity_changes: ir.Table, context: Context) -> ir.Table:
    """The same with the changes of owners and expected days in between, where somebody asks for these."""
    if not _turning(context):
        return _opened_and_closed(deal_states)
    owners = spells(opportunity_changes, "owner_id")
    expected = spells(opportunity_changes, "expected_close_on")
    turns = owners.select("of_opportunity", "since_day").union(expected.select("of_opportunity", "since_day"))
    opened = deal_states.filter(_.was_open)
    known = opened.select(of_deal=_.opportunity_id, opened_day=_.created_day, closing_day=_.closed_day)
    later = turns.inner_join(known, turns.of_opportunity == known.of_deal)
    later = later.filter((_.since_day > _.opened_day) & (_.closing_day.isnull() | (_.since_day < _.closing_day)))
    starts = later.select(of_deal=_.of_opportunity, start=_.since_day).union(
        known.select("of_deal", start=_.opened_day)
    )
    starts = starts.distinct()
    starts = starts.mutate(next_start=_.start.lead().over(ibis.window(group_by="of_deal", order_by="start")))
    states = opened.inner_join(starts, opened.opportunity_id == starts.of_deal)
    states = states.mutate(stop=ibis.coalesce(_.next_start, _.closed_day))
    carried = ("opportunity_id", "account_id", "type", "channel", "campaign_id", "pipeline")
    states = states.select(*carried, "start", "stop", present_owner=_.owner_id, present_expected=_.expected_close_on)
    states = after_day(states, owners, "start").select(
        *carried,
        "start",
        "stop",
        "present_expected",
        owner_id=ibis.coalesce(_.then_owner_id, _.present_owner),
    )
    states = after_day(states, expected, "start").select(
        *carried,
        "start",
        "stop",
        "owner_id",
        expected_close_on=ibis.coalesce(_.then_expected_close_on, _.present_expected),
    )
    states = states.mutate(late_from=ibis.greatest(_.start, _.expected_close_on + ibis.interval(days=DAY.days)))
    late = states.filter(
        _.expected_close_on.notnull() & (_.late_from <= context.today()) & (_.stop.isnull() | (_.late_from < _.stop))
    )
    one, none = ibis.literal(1).cast("int64"), ibis.literal(0).cast("int64")
    told = (*carried, "owner_id", "expected_close_on")
    return ibis.union(
        states.select(*told, day=_.start, open=one, overdue=none),
        states.filter(_.stop.notnull()).select(*told, day=_.stop, open=-one, overdue=none),
        late.select(*told, day=_.late_from.cast("date"), open=none, overdue=one),
        late.filter(_.stop.notnull()).select(*told, day=_.stop, open=none, overdue=-one),
    )


def _opened_and_closed(deals: ir.Table) -> ir.Table:
    """The same where nobody asks whose the deals are or whether they are late: one change at each end."""
    opened = deals.filter(_.was_open)
    one, none = ibis.literal(1).cast("int64"), ibis.literal(0).cast("int64")
    told = (
        "opportunity_id",
        "account_id",
        "type",
        "channel",
        "campaign_id",
        "pipeline",
        "owner_id",
        "expected_close_on",
    )
    return opened.select(*told, day=_.created_day, open=one, overdue=none).union(
        opened.filter(_.closed_day.notnull()).select(*told, day=_.closed_day, open=-one, overdue=none)
    )
