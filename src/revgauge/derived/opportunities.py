"""Opportunities as events: created and closed, each with its owner of then, and the number open as changes.

An opportunity is known by what happened up to the day `now`: a deal that closes tomorrow is open today. What it was
like at an instant comes from spells, the stretches between two changes of its history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import ibis
from ibis import _

from revgauge.catalogue.engine import as_money, flag, seconds_between, times
from revgauge.catalogue.facts import Dimension, of_account, of_person, own
from revgauge.catalogue.registry import derived
from revgauge.derived.billing import DIMENSIONS as ACCOUNT
from revgauge.model.period import DAY

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

AmountOf = Literal["period_end", "creation", "current"]

PLAIN_PIPELINE = "default"
PLAIN_TYPE = "new_business"
SOLD = ("new_business", "expansion", "cross_sell")
"""The types that sales figures count: a renewal is won by other means and at other rates."""
NEVER = "9999-12-31"
"""The end of what has not ended."""
NEVER_OPPORTUNITIES = ("duplicate", "test")
"""Reasons of a loss that say that there was no opportunity."""

OPPORTUNITY_DIMENSIONS: dict[str, Dimension] = {
    **own("type", "channel", "campaign_id", "pipeline", "owner_id", "account_id"),
    **of_person("team", "role", "department"),
    **of_account("segment", "region", "industry"),
}
"""Dimensions of opportunities: the owner is that of the counted event, the account is as it is now."""


# -- opportunities and their history ----------------------------------------------------------------------------------


@derived(optional=frozenset({"opportunities"}))
def known_opportunities(opportunities: ir.Table, context: Context) -> ir.Table:
    """Opportunities as they are known on the day `now`, without duplicates.

    Types and pipelines have their plain name where none is given; `won` and `closed` say what has happened by then.
    """
    rows = context.resolved(opportunities.filter(_.duplicate_of.isnull()))
    rows = rows.mutate(
        closed_at=context.known(_.closed_at),
        accepted_at=context.known(_.accepted_at),
        pitched_at=context.known(_.pitched_at),
        type=_.type.fill_null(PLAIN_TYPE),
        pipeline=_.pipeline.fill_null(PLAIN_PIPELINE),
        currency=_.currency.fill_null(context.reporting_currency),
        created_day=context.day(_.created_at),
    )
    rows = rows.filter(_.created_day <= context.today())
    return rows.mutate(
        closed_day=context.day(_.closed_at),
        closed=_.closed_at.notnull(),
        won=_.closed_at.notnull() & _.is_won.fill_null(False),
    )


@derived(kept=False, row_key=("opportunity_id", "account_id"))
def deals(
    known_opportunities: ir.Table,
    *,
    types: tuple[str, ...] = SOLD,
    exclude_loss_reasons: tuple[str, ...] = NEVER_OPPORTUNITIES,
) -> ir.Table:
    """The opportunities that sales figures count: of the types asked for, without those that never were any."""
    rows = known_opportunities.filter(_.type.isin(types))
    return rows.filter(~_never_was(exclude_loss_reasons))


def _never_was(reasons: tuple[str, ...]) -> Any:
    """Whether an opportunity was lost for a reason that says that there was none."""
    return _.closed & ~_.won & _.loss_reason.isin(reasons).fill_null(False)


@derived(optional=frozenset({"opportunity_history"}))
def opportunity_changes(opportunity_history: ir.Table, context: Context) -> ir.Table:
    """Changes of opportunities up to the day `now`."""
    changes = opportunity_history.filter(_.changed_at.notnull())
    changes = changes.mutate(changed_day=context.day(_.changed_at))
    return changes.filter(_.changed_day <= context.today())


def spells(opportunity_changes: ir.Table, value: str, *beside: str) -> ir.Table:
    """What a field was set to, and for how long: `[since, until)` in instants and `[since_day, until_day)` in days.

    The last change of an instant, or of a day, is the one that stands. Columns are named `of_opportunity`, `then_*`.
    An end that has not come lies far ahead: engines join quickly by comparisons, and slowly where an end may be empty.
    """
    changes = opportunity_changes.filter(_[value].notnull())
    order = ibis.window(group_by="opportunity_id", order_by=["changed_at", value, *beside])
    never = ibis.literal(NEVER).cast("date")
    return changes.select(
        of_opportunity=_.opportunity_id,
        **{f"then_{name}": _[name] for name in (value, *beside)},
        since=_.changed_at,
        until=_.changed_at.lead().over(order).fill_null(never.cast("timestamp")),
        since_day=_.changed_day,
        until_day=_.changed_day.lead().over(order).fill_null(never),
        first=ibis.row_number().over(order) == 0,
    )


def at_instant(rows: ir.Table, history: ir.Table, instant: str) -> ir.Table:
    """The rows with the spell that holds at an instant of theirs, a change of that very instant included."""
    return rows.left_join(
        history,
        [
            rows.opportunity_id == history.of_opportunity,
            history.since <= rows[instant],
            history.until > rows[instant],
        ],
    )


def after_day(rows: ir.Table, history: ir.Table, day: str) -> ir.Table:
    """The rows with the spell that holds at the end of a day of theirs."""
    return rows.left_join(
        history,
        [
            rows.opportunity_id == history.of_opportunity,
            history.since_day <= rows[day],
            history.until_day > rows[day],
        ],
    )


# -- created and closed -----------------------------------------------------------------------------------------------


@derived(
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id", "event"),
    optional=frozenset({"stages"}),
    needs=("opportunities.created_at",),
    costly=("owner_id",),
)
def deal_events(deals: ir.Table, opportunity_changes: ir.Table, stages: ir.Table, context: Context) -> ir.Table:
    """One row for each deal when it was `created` and one when it was `closed`, with what is known of it today.

    `owner_id` is the owner at the event; `amount` is the present amount at the rate of the event's day, and
    `unconverted` marks one without a rate. `cycle_seconds` lie between creation and closing, empty where the closing
    comes first. `ripening` marks a creation whose deal is open and younger than nine in ten were when they closed.
    """
    pitched = _pitched(deals, opportunity_changes, stages)
    rows = deals.left_join(pitched, deals.opportunity_id == pitched.pitched_id)
    cycle = seconds_between(_.created_at, _.closed_at)
    rows = rows.mutate(
        pitched=_.won | _.pitched_at.notnull() | _.pitched_id.notnull(),
        cycle_seconds=ibis.ifelse(cycle >= 0, cycle, None),
    )
    usual = rows.aggregate(usual_seconds=_.cycle_seconds.cast("float64").quantile(0.9))
    rows = rows.cross_join(usual)
    age = seconds_between(_.created_at, context.end())
    carried = (
        *("opportunity_id", "account_id", "type", "channel", "campaign_id", "pipeline", "lead_id", "currency"),
        *("created_at", "accepted_at", "pitched_at", "closed_at", "loss_reason"),
        *("won", "closed", "pitched", "cycle_seconds"),
    )
    created = rows.select(
        *carried,
        event=ibis.literal("created"),
        day=_.created_day,
        at=_.created_at,
        present_owner=_.owner_id,
        stated=_.amount,
        ripening=~_.closed & (age < _.usual_seconds).fill_null(False),
    )
    closed = rows.filter(_.closed).select(
        *carried,
        event=ibis.literal("closed"),
        day=_.closed_day,
        at=_.closed_at,
        present_owner=_.owner_id,
        stated=_.amount,
        ripening=ibis.literal(False),
    )
    events = created.union(closed)
    told = (*created.columns[:-3], "stated", "ripening")
    if not context.asks("owner_id"):
        return _converted(events.select(*told, owner_id=_.present_owner), context)
    events = at_instant(events, spells(opportunity_changes, "owner_id"), "at")
    return _converted(events.select(*told, owner_id=ibis.coalesce(_.then_owner_id, _.present_owner)), context)


def _converted(events: ir.Table, context: Context) -> ir.Table:
    """The rows with their stated amount at the rate of their day."""
    rated = context.with_rate(events, "currency", "day")
    own = _.currency == context.reporting_currency
    return rated.mutate(
        amount=ibis.ifelse(own, as_money(_.stated), times(_.stated, _.rate)),
        unconverted=flag(_.stated.notnull() & _.rate.isnull()),
    ).drop("rate")


def _pitched(deals: ir.Table, opportunity_changes: ir.Table, stages: ir.Table) -> ir.Table:
    """Deals that were in an open stage at or beyond the first pitch stage of their pipeline."""
    known = stages.mutate(pipeline=_.pipeline.fill_null(PLAIN_PIPELINE))
    pitch = known.filter(_.is_pitch).group_by(pitch_pipeline=_.pipeline).aggregate(pitch_position=_.position.min())
    late = known.inner_join(pitch, known.pipeline == pitch.pitch_pipeline)
    late = late.filter((_.position >= _.pitch_position) & ~_.kind.isin(["won", "lost"]).fill_null(False))
    late = late.select(late_pipeline=_.pipeline, late_stage=_.stage)
    changes = opportunity_changes.select(pitched_id=_.opportunity_id, seen_stage=_.stage)
    seen = changes.inner_join(late, changes.seen_stage == late.late_stage)
    seen = seen.select("pitched_id", "late_pipeline").distinct()
    deal = deals.select("opportunity_id", "pipeline")
    reached = seen.inner_join(deal, [seen.pitched_id == deal.opportunity_id, seen.late_pipeline == deal["pipeline"]])
    return reached.select("pitched_id").distinct()


@derived(kept=False, dimensions=OPPORTUNITY_DIMENSIONS, row_key=("opportunity_id", "account_id", "reason"))
def deal_events_left_out(
    opportunities: ir.Table,
    known_opportunities: ir.Table,
    deals: ir.Table,
    context: Context,
    *,
    types: tuple[str, ...] = SOLD,
    exclude_loss_reasons: tuple[str, ...] = NEVER_OPPORTUNITIES,
) -> ir.Table:
    """Opportunities that sales figures do not count, or count only in part, and why."""
    stated = opportunities.mutate(day=context.day(_.created_at))
    counted = known_opportunities.mutate(day=_.created_day)
    closed = deals.filter(_.closed).mutate(day=_.closed_day)
    no_amount = "without an amount: counted, but in no sum"
    return ibis.union(
        _left_out(stated.filter(_.duplicate_of.notnull()), "a duplicate of " + _.duplicate_of),
        _left_out(stated.filter(_.duplicate_of.isnull() & (_.day > context.today())), f"created after {context.now}"),
        _left_out(counted.filter(~_.type.isin(types)), "of type " + _.type),
        _left_out(
            counted.filter(_.type.isin(types) & _never_was(exclude_loss_reasons)),
            "never an opportunity: lost as " + _.loss_reason,
        ),
        _left_out(
            closed.filter(_.closed_at < _.created_at), "closed before it was created: counted, but without a cycle"
        ),
        _left_out(deals.mutate(day=_.created_day).filter(_.amount.isnull()), no_amount),
        _left_out(closed.filter(_.amount.isnull() & (_.closed_day != _.created_day)), no_amount),
    )


def _left_out(rows: ir.Table, reason: Any) -> ir.Table:
    """What a person needs to know of opportunities that do not count."""
    return rows.select(
        *("opportunity_id", "account_id", "day", "type", "channel", "campaign_id", "pipeline", "owner_id"),
        *("amount", "currency", "created_at", "closed_at"),
        reason=ibis.literal(reason) if isinstance(reason, str) else reason,
    )


# -- amounts of then --------------------------------------------------------------------------------------------------


@derived(
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id"),
    needs=("opportunities.amount",),
    left_out="deal_events_left_out",
    per_period=lambda params: params["amount"] == "period_end",
)
def created_deal_values(
    deal_events: ir.Table, opportunity_changes: ir.Table, context: Context, *, amount: AmountOf = "period_end"
) -> ir.Table:
    """Deals on the day of their creation with what they were worth, at the rate of that day.

    `period_end` is the amount in force at the end of the period of the creation, so that a past period does not move;
    `creation` the first amount that was given; `current` today's. `present` marks an amount that no history tells.
    """
    created = deal_events.filter(_.event == "created")
    if amount == "current":
        return created.mutate(present=ibis.literal(False))
    created = created.drop("amount", "unconverted")
    history = spells(opportunity_changes, "amount", "currency")
    if amount == "creation":
        first = history.filter(_.first)
        found = created.left_join(first, created.opportunity_id == first.of_opportunity)
        found = found.select(*created.columns, "then_amount", "then_currency", settled=ibis.literal(False))
    else:
        found = after_day(_with_period_end(created, context), history, "closing_day")
        settled = (context.day(_.closed_at) <= _.closing_day).fill_null(False)
        found = found.select(*created.columns, "then_amount", "then_currency", settled=settled)
    told = _.then_amount.notnull() & ~_.settled
    found = found.select(
        *(name for name in created.columns if name not in {"stated", "currency"}),
        stated=ibis.ifelse(told, _.then_amount, _.stated),
        currency=ibis.ifelse(told, ibis.coalesce(_.then_currency, _.currency), _.currency),
        present=_.then_amount.isnull() & ~_.settled & _.stated.notnull(),
    )
    return _converted(found, context)


def _with_period_end(created: ir.Table, context: Context) -> ir.Table:
    """Deals with the closing day of the period that they were created in; those of no period are dropped.

    Only the different days meet the periods, so that the cost grows with the deals and not with periods times deals.
    """
    spine = context.warehouse.literal_table(
        {"first_day": "date", "closing_day": "date"},
        [(period.start, period.closing) for period in context.periods if period.begun],
    )
    days = created.select(creation_day=_.day).distinct()
    ends = days.inner_join(spine, [days.creation_day >= spine.first_day, days.creation_day <= spine.closing_day])
    ends = ends.select("creation_day", "closing_day")
    return created.inner_join(ends, created["day"] == ends.creation_day).drop("creation_day")


# -- open -------------------------------------------------------------------------------------------------------------


@derived(
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id"),
    needs=("opportunities.created_at", "opportunities.closed_at"),
    left_out="deal_events_left_out",
    costly=("owner_id", "overdue"),
)
def open_deal_changes(deals: ir.Table, opportunity_changes: ir.Table, context: Context) -> ir.Table:
    """Changes of the number of open deals, to be added up to a state, and of those past their expected close.

    A deal that changes hands leaves one owner and comes to the other on the same day; owner and expected date of a day
    are the last ones known at its end.
    """
    if not context.asks("owner_id") and not context.asks("overdue"):
        return _opened_and_closed(deals)
    owners = spells(opportunity_changes, "owner_id")
    expected = spells(opportunity_changes, "expected_close_on")
    turns = owners.select("of_opportunity", "since_day").union(expected.select("of_opportunity", "since_day"))
    opened = deals.filter(_.closed_day.isnull() | (_.closed_day > _.created_day))
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
    opened = deals.filter(_.closed_day.isnull() | (_.closed_day > _.created_day))
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


# -- won, for recurring revenue ---------------------------------------------------------------------------------------


@derived(
    dimensions=ACCOUNT,
    row_key=("opportunity_id", "account_id"),
    needs=("opportunities.closed_at", "opportunities.is_won", "opportunities.amount"),
)
def won_opportunities(known_opportunities: ir.Table, context: Context) -> ir.Table:
    """Every won deal, renewals included, on the day of its closing and at the rate of that day.

    `unconverted` marks a deal whose currency has no rate by then; its amount is empty.
    """
    won = known_opportunities.filter(_.won).select(
        "opportunity_id",
        "account_id",
        "type",
        "currency",
        "closed_at",
        "owner_id",
        day=_.closed_day,
        stated=_.amount,
    )
    return _converted(won, context)
