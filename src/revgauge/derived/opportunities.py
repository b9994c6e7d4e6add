"""Opportunities as events: created and closed, each with its owner of then, and the number open as changes.

An opportunity is known by what happened up to the day `now`: a deal that closes tomorrow is open today. What it was
like at an instant comes from spells, the stretches between two changes of its history.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Literal

import ibis
from ibis import _

from revgauge.catalogue.engine import as_money, beside, flag, seconds_between, times, with_match, without_match
from revgauge.catalogue.facts import Dimension, of_account, of_person, own
from revgauge.catalogue.registry import derived
from revgauge.derived.billing import DIMENSIONS as ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

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
OF_THE_OWNER = frozenset(name for name, dimension in OPPORTUNITY_DIMENSIONS.items() if dimension.column == "owner_id")
"""Dimensions by which a deal may move without being opened or closed."""


# -- opportunities and their history ----------------------------------------------------------------------------------


@derived(kept=False, optional=frozenset({"opportunities"}))
def known_opportunities(opportunities: ir.Table, context: Context) -> ir.Table:
    """Opportunities as they are known on the day `now`, without duplicates.

    Types and pipelines have their plain name where none is given; `won` and `closed` say what has happened by then.
    """
    return context.resolved(opportunities.filter(is_known(context))).mutate(
        **outcome(context),
        pitched_at=context.known(_.pitched_at),
        pipeline=_.pipeline.fill_null(PLAIN_PIPELINE),
        currency=_.currency.fill_null(context.reporting_currency),
        created_day=context.day(_.created_at),
        closed_day=context.day(context.known(_.closed_at)),
    )


def is_known(context: Context) -> Any:
    """Whether an opportunity had been created by the day `now` and is no duplicate."""
    return _.duplicate_of.isnull() & context.has_come(_.created_at)


def outcome(context: Context) -> dict[str, Any]:
    """What an opportunity is known on the day `now` to be and to have come to, by column."""
    closed = context.has_come(_.closed_at).fill_null(False)
    return {
        "type": _.type.fill_null(PLAIN_TYPE),
        "accepted_at": context.known(_.accepted_at),
        "closed_at": context.known(_.closed_at),
        "closed": closed,
        "won": closed & _.is_won.fill_null(False),
    }


@derived(kept=False, row_key=("opportunity_id", "account_id"))
def deals(
    known_opportunities: ir.Table,
    *,
    types: tuple[str, ...] = SOLD,
    exclude_loss_reasons: tuple[str, ...] = NEVER_OPPORTUNITIES,
) -> ir.Table:
    """The opportunities that sales figures count: of the types asked for, without those that never were any."""
    return known_opportunities.filter(is_sold(types, exclude_loss_reasons))


def is_sold(types: tuple[str, ...] = SOLD, exclude_loss_reasons: tuple[str, ...] = NEVER_OPPORTUNITIES) -> Any:
    """Whether a known opportunity is of these types and not one that never was any."""
    return _.type.isin(types) & ~_never_was(exclude_loss_reasons)


def _never_was(reasons: tuple[str, ...]) -> Any:
    """Whether an opportunity was lost for a reason that says that there was none."""
    return _.closed & ~_.won & _.loss_reason.isin(reasons).fill_null(False)


@derived(kept=False, optional=frozenset({"opportunity_history"}))
def opportunity_changes(opportunity_history: ir.Table, context: Context) -> ir.Table:
    """Changes of opportunities up to the day `now`."""
    return opportunity_history.filter(context.has_come(_.changed_at)).mutate(changed_day=context.day(_.changed_at))


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


@derived(row_key=("opportunity_id", "account_id"), optional=frozenset({"stages"}), costly=("owner_id", "pitched"))
def deal_states(deals: ir.Table, opportunity_changes: ir.Table, stages: ir.Table, context: Context) -> ir.Table:
    """Deals with all that sales figures ask of their history, so that each event is made from one row.

    `cycle_seconds` lie between creation and closing, empty where the closing comes first. `created_owner` and
    `closed_owner` are the owners of then; `was_open` marks those that were open at the end of any day.
    """
    cycle = seconds_between(_.created_at, _.closed_at)
    rows = deals.select(
        *("opportunity_id", "account_id", "lead_id", "type", "channel", "campaign_id", "pipeline", "owner_id"),
        *("amount", "currency", "loss_reason", "won", "closed", "expected_close_on"),
        *("created_at", "created_day", "accepted_at", "pitched_at", "closed_at", "closed_day"),
        cycle_seconds=ibis.ifelse(cycle >= 0, cycle, None),
        was_open=_.closed_day.isnull() | (_.closed_day > _.created_day),
    )
    told = rows.columns
    pitched = _.won | _.pitched_at.notnull()
    if context.asks("pitched"):
        rows, reached = _with_stages_reached(rows, opportunity_changes, stages, context)
        pitched = pitched | reached
    rows = rows.select(*told, pitched=pitched)
    told = rows.columns
    if not context.asks("owner_id"):
        return rows.mutate(created_owner=_.owner_id, closed_owner=_.owner_id)
    owners = spells(opportunity_changes, "owner_id")
    then = ibis.coalesce(_.then_owner_id, _.owner_id)
    rows = at_instant(rows, owners, "created_at").select(*told, created_owner=then)
    return at_instant(rows, owners.view(), "closed_at").select(*told, "created_owner", closed_owner=then)


@derived()
def usual_cycle(deal_states: ir.Table) -> ir.Table:
    """How long nine in ten of the deals that closed took at most."""
    return deal_states.aggregate(usual_seconds=_.cycle_seconds.cast("float64").quantile(0.9))


@derived(
    kept=False,
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id", "event"),
    needs=("opportunities.created_at",),
    costly=("ripening",),
)
def deal_events(deal_states: ir.Table, usual_cycle: ir.Table, context: Context) -> ir.Table:
    """One row for each deal when it was `created` and one when it was `closed`, with what is known of it today.

    `owner_id` is the owner at the event; `amount` is the present amount at the rate of the event's day, and
    `unconverted` marks one without a rate. `cycle_seconds` lie between creation and closing, empty where the closing
    comes first. `ripening` marks a creation whose deal is open and younger than nine in ten were when they closed.
    `open` is the change of the number of open deals, whoever has them.
    """
    closed = _event(deal_states.filter(_.closed), "closed", ibis.literal(False))
    return _converted(_created(deal_states, usual_cycle, context).union(closed), context)


def _created(deals: ir.Table, usual_cycle: ir.Table, context: Context, **beside: Any) -> ir.Table:
    """The creations of deals, with columns beside what is told of every event."""
    if not context.asks("ripening"):
        return _event(deals, "created", ibis.literal(False), **beside)
    age = seconds_between(_.created_at, context.end())
    ripening = ~_.closed & (age < _.usual_seconds).fill_null(False)
    return _event(deals.cross_join(usual_cycle), "created", ripening, **beside)


def _event(deals: ir.Table, event: Literal["created", "closed"], ripening: Any, **beside: Any) -> ir.Table:
    """What is told of deals on the day of an event."""
    return deals.select(
        *("opportunity_id", "account_id", "type", "channel", "campaign_id", "pipeline", "lead_id", "currency"),
        *("created_at", "accepted_at", "pitched_at", "closed_at", "loss_reason"),
        *("won", "closed", "pitched", "cycle_seconds"),
        event=ibis.literal(event),
        open=ibis.ifelse(_.was_open, 1 if event == "created" else -1, 0).cast("int64"),
        day=_[f"{event}_day"],
        at=_[f"{event}_at"],
        stated=_.amount,
        ripening=ripening,
        owner_id=_[f"{event}_owner"],
        **beside,
    )


def _converted(events: ir.Table, context: Context) -> ir.Table:
    """The rows with their stated amount at the rate of their day."""
    rated = context.with_rate(events, "currency", "day")
    own = _.currency == context.reporting_currency
    return rated.mutate(
        amount=ibis.ifelse(own, as_money(_.stated), times(_.stated, _.rate)),
        unconverted=flag(_.stated.notnull() & _.rate.isnull()),
    ).drop("rate")


def _with_stages_reached(
    deals: ir.Table, opportunity_changes: ir.Table, stages: ir.Table, context: Context
) -> tuple[ir.Table, Any]:
    """The deals with what their history tells, and whether they were in an open stage at or beyond the first pitch.

    The stages are few, so those that count are named: the history is read once, and not once for each pipeline.
    """
    late = _late_stages(stages, context)
    if not late:
        return deals, ibis.literal(False)
    every = frozenset[str]().union(*late)
    seen = opportunity_changes.filter(_.stage.isin(sorted(every))).group_by(seen_id=_.opportunity_id)
    seen = seen.aggregate(
        **{f"seen_{place}": _.stage.isin(sorted(names)).any() for place, names in enumerate(late) if names != every}
    )
    deals = beside(deals, seen, {"opportunity_id": "seen_id"}, {name: name for name in seen.columns})
    reached = [
        _.pipeline.isin(pipelines) & (_.seen_id.notnull() if names == every else _[f"seen_{place}"].fill_null(False))
        for place, (names, pipelines) in enumerate(late.items())
    ]
    return deals, reduce(or_, reached)


def _late_stages(stages: ir.Table, context: Context) -> dict[frozenset[str], list[str]]:
    """The open stages at or beyond the first pitch stage, and the pipelines in which it is these."""
    known = stages.mutate(pipeline=_.pipeline.fill_null(PLAIN_PIPELINE))
    pitch = known.filter(_.is_pitch).group_by(pitch_pipeline=_.pipeline).aggregate(pitch_position=_.position.min())
    late = known.inner_join(pitch, known.pipeline == pitch.pitch_pipeline)
    late = late.filter((_.position >= _.pitch_position) & ~_.kind.isin(["won", "lost"]).fill_null(False))
    late = late.filter(_.stage.notnull()).select("pipeline", "stage")
    stages_of: dict[str, set[str]] = {}
    for pipeline, stage in context.warehouse.pairs(late):
        stages_of.setdefault(pipeline, set()).add(stage)
    alike: dict[frozenset[str], list[str]] = {}
    for pipeline, names in sorted(stages_of.items()):
        alike.setdefault(frozenset(names), []).append(pipeline)
    return alike


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
    kept=False,
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id"),
    needs=("opportunities.created_at", "opportunities.amount"),
    left_out="deal_events_left_out",
    per_period=lambda params: params["amount"] == "period_end",
    costly=("ripening",),
)
def created_deal_values(
    deal_states: ir.Table,
    usual_cycle: ir.Table,
    opportunity_changes: ir.Table,
    context: Context,
    *,
    amount: AmountOf = "period_end",
) -> ir.Table:
    """Deals on the day of their creation with what they were worth, at the rate of that day.

    `period_end` is the amount in force at the end of the period of the creation, so that a past period does not move;
    `creation` the first amount that was given; `current` today's. `present` marks an amount that no history tells.
    """
    if amount == "current":
        created = _created(deal_states, usual_cycle, context)
        return _converted(created, context).mutate(present=ibis.literal(False))
    changes = opportunity_changes.filter(_.amount.notnull()).select(
        "changed_at", "changed_day", of_deal=_.opportunity_id, then_amount=_.amount, then_currency=_.currency
    )
    if amount == "period_end":
        created, standing = _at_period_end(deal_states, usual_cycle, changes, context)
    else:
        created = _created(deal_states, usual_cycle, context, settled=ibis.literal(False))
        first = _first(changes, "of_deal", [_.changed_at, _.then_amount, _.then_currency])
        standing = beside(created, first, {"opportunity_id": "of_deal"})
    told = _.then_amount.notnull() & ~_.settled
    found = standing.select(
        *(name for name in created.columns if name not in {"stated", "currency", "settled"}),
        stated=ibis.ifelse(told, _.then_amount, _.stated),
        currency=ibis.ifelse(told, ibis.coalesce(_.then_currency, _.currency), _.currency),
        present=_.then_amount.isnull() & ~_.settled & _.stated.notnull(),
    )
    return _converted(found, context)


def _at_period_end(
    deal_states: ir.Table, usual_cycle: ir.Table, changes: ir.Table, context: Context
) -> tuple[ir.Table, ir.Table]:
    """The creations of deals, and these with the last change up to the end of their period; of no period: dropped.

    `settled` marks a deal that was closed by then: it is worth what it was closed with, whatever its history says.
    """
    ends = _period_ends(deal_states, context)
    dated = beside(deal_states, ends, {"created_day": "creation_day"})
    settled = (_.closed_day <= _.closing_day).fill_null(False)
    created = _created(dated, usual_cycle, context, settled=settled, closing_day=_.closing_day)
    by_then = [created.opportunity_id == changes.of_deal, created.closing_day >= changes.changed_day]
    # The filter also ends the chain of joins, so that what is read three times below is worked out once.
    met = created.left_join(changes, by_then).filter(_.closing_day.notnull())
    # Few deals change within their period. Only these are put in order: that costs more than to tell them apart.
    several = met.group_by(changed_id=_.opportunity_id).aggregate(number=_.count()).filter(_.number > 1)
    once = without_match(met, several, {"opportunity_id": "changed_id"})
    often = with_match(met, several, {"opportunity_id": "changed_id"})
    order = [ibis.desc("changed_at"), ibis.desc("then_amount"), ibis.desc("then_currency", nulls_first=True)]
    standing = once.union(_first(often, "opportunity_id", order))
    return created.drop("closing_day"), standing


def _first(rows: ir.Table, key: str, order: Sequence[Any]) -> ir.Table:
    """The first row of each key in an order."""
    place = ibis.row_number().over(ibis.window(group_by=key, order_by=order))
    return rows.mutate(place=place).filter(_.place == 0).drop("place")


def _period_ends(deals: ir.Table, context: Context) -> ir.Table:
    """The days on which deals were created, with the closing day of their period; without those of no period.

    Only the different days meet the periods, so that the cost grows with the deals and not with periods times deals.
    """
    spine = context.warehouse.literal_table(
        {"first_day": "date", "closing_day": "date"},
        [(period.start, period.closing) for period in context.periods if period.begun],
    )
    days = deals.select(creation_day=_.created_day).distinct()
    ends = days.inner_join(spine, [days.creation_day >= spine.first_day, days.creation_day <= spine.closing_day])
    return ends.select("creation_day", "closing_day")


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
