"""Opportunities and sales: what is started, what becomes of it, how much it is worth and how long it takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.engine import days_between
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import (
    Constant,
    Measure,
    Noted,
    Statistic,
    Unknown,
    balance,
    count,
    ratio,
    spread,
    total,
)
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import During, Span, TrailingDays, UpToOpening
from revgauge.derived.opportunities import OF_THE_OWNER

NOTHING_CREATED = "no opportunity was created"
NOTHING_CLOSED = "no deal was closed"
NOTHING_WON = "no deal was won"
RIPENING = "still ripening"
RIPE_SHARE = Decimal("0.1")
"""A cohort ripens while at least this share of it is undecided and younger than usual."""

CREATED = _.event == "created"
CLOSED = _.event == "closed"


def _of_created(deal_events: Facts, outcome: Measure) -> Measure:
    """An outcome over the deals created, marked while the cohort is young."""
    created = count(deal_events, where=CREATED)
    young = ratio(count(deal_events, where=CREATED & _.ripening), created)
    return Noted(ratio(outcome, created, NOTHING_CREATED), RIPENING, young, RIPE_SHARE)


@metric(label="Opportunities created", unit=Unit.COUNT, timing="leading")
def opportunities_created_count(deal_events: Facts) -> Measure:
    """Opportunities that were created, by their owner at that time.

    Renewals are not among them, nor are duplicates and deals that turned out never to have been any.

    Unit: opportunities
    Formula: number of opportunities by day of creation
    Edges: loaded but none is 0
    Seed: S2
    Source: salesforce-win
    So what: is tomorrow's revenue being started; the levers are prospecting and campaigns
    """
    return count(deal_events, where=CREATED)


@metric(label="Value of opportunities created", unit=Unit.MONEY, timing="leading")
def opportunities_created_value(created_deal_values: Facts) -> Measure:
    """What the opportunities created in a period are worth, at the rates of the days of their creation.

    By default with the amounts in force when the period ended: a past period stays as it was, and a seller has time to
    fill the amount in. With `creation` it is the first amount given, with `current` today's.

    Unit: money
    Formula: sum of amounts by day of creation
    Edges: a deal without an amount is left out; one that the history does not tell has today's and marks the value
    Null: an amount is in a currency without a rate
    Seed: S2
    Source: salesforce-trends
    So what: is tomorrow's revenue being started; the levers are prospecting and campaigns
    """
    value = total(created_deal_values, "amount", gap=_.unconverted)
    return Noted(value, "from present values", count(created_deal_values, where=_.present), Decimal(1))


@metric(label="Share pitched", unit=Unit.RATIO, timing="leading", kind="cohort")
def pitched_rate(deal_events: Facts, context: Context) -> Measure:
    """The share of the opportunities created that were pitched.

    Pitched means a date of the pitch, a stage at or beyond the first pitch stage of its pipeline, or won.

    Unit: share of opportunities created
    Formula: opportunities pitched by now / opportunities created
    Null: none was created, or no source tells of pitches
    Edges: skipping the pitch stage passes it; a young cohort is marked
    Seed: S2
    Source: zoho-motivator
    So what: does sales act on what marketing starts; the levers are capacity, assignment and content
    """
    if lacking := context.lacking("opportunities.pitched_at"):
        path = context.lacking("opportunity_history.stage", "stages.position", "stages.is_pitch")
        if path:
            return Unknown(f"{lacking}; {path}")
    return _of_created(deal_events, count(deal_events, where=CREATED & _.pitched))


@metric(label="Share closed", unit=Unit.RATIO, timing="leading", kind="cohort", needs=("opportunities.closed_at",))
def closed_rate(deal_events: Facts, context: Context, *, outcome: Literal["any", "won"] = "any") -> Measure:
    """The share of the opportunities created that were decided since; with `won`, that were won.

    Unit: share of opportunities created
    Formula: opportunities closed (won) by now / opportunities created
    Null: none was created
    Edges: a young cohort looks worse than it is and is marked
    Seed: S2
    Source: varicent-created
    So what: what became of the opportunities that a campaign or a team started
    """
    if outcome == "won":
        if lacking := context.lacking("opportunities.is_won"):
            return Unknown(lacking)
        return _of_created(deal_events, count(deal_events, where=CREATED & _.won))
    return _of_created(deal_events, count(deal_events, where=CREATED & _.closed))


@metric(label="Win rate", unit=Unit.RATIO, kind="ratio", needs=("opportunities.closed_at", "opportunities.is_won"))
def win_rate(
    deal_events: Facts,
    open_deal_changes: Facts,
    *,
    basis: Literal["closed", "created"] = "closed",
    overdue_as_lost: bool = False,
) -> Measure:
    """The share of the closed deals that were won, by their owner at the closing.

    Open deals are in neither part, so the rate of a past period is final. With basis `created` it is the share of the
    deals created that were won by now, open ones included. `overdue_as_lost` adds to the closed deals those that are
    open past the day on which they were expected to close; among the created ones they are already.

    Unit: share of deals closed
    Formula: won / (won + lost)
    Null: nothing was closed: an idle month is not a bad one
    Edges: duplicates and tests were never lost
    Seed: S4, S2
    Source: salesforce-win, varicent-created, rekener, zoho-motivator
    So what: pursue fewer and better deals, or mend the pitch; the levers are qualification, pricing, competition
    """
    if basis == "created":
        return _of_created(deal_events, count(deal_events, where=CREATED & _.won))
    return _share_won(deal_events, open_deal_changes, During(), overdue_as_lost=overdue_as_lost)


def _share_won(deal_events: Facts, open_deal_changes: Facts, span: Span, *, overdue_as_lost: bool = False) -> Measure:
    decided: Measure = count(deal_events, where=CLOSED, span=span)
    if overdue_as_lost:
        decided = decided + balance(open_deal_changes, "overdue")
    return ratio(count(deal_events, where=CLOSED & _.won, span=span), decided, NOTHING_CLOSED)


@metric(
    label="Win rate by value",
    unit=Unit.RATIO,
    kind="ratio",
    needs=("opportunities.closed_at", "opportunities.is_won", "opportunities.amount"),
)
def win_rate_value(deal_events: Facts) -> Measure:
    """The share of the value of the closed deals that was won, at the rates of the days of closing.

    Read beside the win rate by number: the difference says which size is lost.

    Unit: share of the value of deals closed
    Formula: amount won / (amount won + amount lost)
    Null: nothing of value was closed, or an amount is in a currency without a rate
    Edges: a deal without an amount is left out
    Seed: S4, S2
    Source: fivetran-salesforce
    So what: pursue fewer and better deals, or mend the pitch; the levers are qualification, pricing, competition
    """
    won = total(deal_events, "amount", where=CLOSED & _.won, gap=_.unconverted)
    closed = total(deal_events, "amount", where=CLOSED, gap=_.unconverted)
    return ratio(won, closed, "nothing of value was closed")


@metric(
    label="Average deal value",
    unit=Unit.MONEY,
    aliases=("average_deal_size",),
    needs=("opportunities.closed_at", "opportunities.is_won", "opportunities.amount"),
)
def average_deal_value(deal_events: Facts, *, stat: Literal["mean", "median"] = "mean") -> Measure:
    """What a won deal is worth, at the rate of its day of closing.

    Unit: money for a deal
    Formula: mean of the amounts of deals won
    Null: no deal with an amount was won, or one is in a currency without a rate
    Edges: a deal without an amount is left out; an amount of 0 counts
    Seed: S4
    Source: fivetran-salesforce
    So what: price, packaging and the size of customers to aim at
    """
    return spread(deal_events, "amount", stat, where=CLOSED & _.won, gap=_.unconverted)


@metric(
    label="Sales cycle length",
    unit=Unit.DAYS,
    better="down",
    aliases=("sales_cycle_length",),
    needs=("opportunities.closed_at", "opportunities.is_won"),
)
def sales_cycle_days(
    deal_events: Facts,
    deal_origins: Facts,
    context: Context,
    *,
    stat: Statistic = "mean",
    start: Literal["created", "lead_created", "accepted"] = "created",
    outcome: Literal["won", "closed"] = "won",
) -> Measure:
    """How long a deal took from its creation to its closing, of the deals won.

    With `start` it is counted from the creation of its lead or from its acceptance, with outcome `closed` the lost
    deals count too. A deal that was opened again runs from its creation to its last closing.

    Unit: days, with fractions
    Formula: mean of closing - creation, by day of closing
    Null: no deal was won
    Edges: closed before it began is left out
    Seed: S2, S4, S1
    Source: kpitree-cycle
    So what: how long money is tied up; the levers are priorities, automation and content. Shorter with a falling win
        rate is not better
    """
    counted = CLOSED if outcome == "closed" else CLOSED & _.won
    if start == "lead_created":
        origin = _.lead_created_at
        return spread(deal_origins, days_between(origin, _.closed_at), stat, where=counted & (origin <= _.closed_at))
    if start == "accepted":
        if lacking := context.lacking("opportunities.accepted_at"):
            return Unknown(lacking)
        origin = _.accepted_at
        return spread(deal_events, days_between(origin, _.closed_at), stat, where=counted & (origin <= _.closed_at))
    return spread(deal_events, _.cycle_seconds / 86400.0, stat, where=counted)


def _cycle(deal_events: Facts, span: Span) -> Measure:
    """Mean days from creation to winning."""
    timed = CLOSED & _.won & _.cycle_seconds.notnull()
    seconds = total(deal_events, "cycle_seconds", where=timed, span=span)
    return ratio(seconds, 86400 * count(deal_events, where=timed, span=span), NOTHING_WON)


@metric(
    label="Sales velocity",
    unit=Unit.MONEY_PER_DAY,
    timing="leading",
    kind="formula",
    needs=("opportunities.closed_at", "opportunities.is_won", "opportunities.amount"),
)
def sales_velocity(
    deal_events: Facts,
    open_deal_changes: Facts,
    context: Context,
    *,
    count_: Literal["open", "created", "average"] = "open",
    lookback_days: int | None = None,
) -> Measure:
    """Money that the deals now in progress yield for each day, at the present value, win rate and speed.

    Deals in progress divided by the time they take is the number that leave each day. With count `created` or
    `average` the number of deals is another, and with `created` the unit is money per day only if the period is as long
    as the cycle. `lookback_days` takes value, rate and cycle from that many days up to the end.

    Unit: money a day
    Formula: open deals x average deal value x win rate / sales cycle in days
    Null: nothing was won
    Edges: no open deal is 0
    Seed: S4, S1
    Source: mavenlb, storylane, winsabove, little-1961
    So what: which of the four levers is weakest; a tenth more of one of the first three is a tenth more, a tenth off
        the cycle a ninth
    """
    span: Span = During() if lookback_days is None else TrailingDays(lookback_days)
    won = CLOSED & _.won
    value = ratio(
        total(deal_events, "amount", where=won, span=span, gap=_.unconverted),
        count(deal_events, where=won & _.stated.notnull(), span=span),
        NOTHING_WON,
    )
    rate = _share_won(deal_events, open_deal_changes, span)
    # Opening and closing tell how many deals are open, and are read for the rest too; a handover is told elsewhere.
    states = open_deal_changes if context.split & OF_THE_OWNER else deal_events
    number: Measure = balance(states, "open")
    if count_ == "created":
        number = count(deal_events, where=CREATED)
    elif count_ == "average":
        opening = balance(states, "open", span=UpToOpening())
        number = (opening + number) * Constant(Decimal("0.5"))
    return ratio(number * value * rate, _cycle(deal_events, span), "deals are won on the day they are created")
