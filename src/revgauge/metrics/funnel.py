"""The funnel: leads on their way to customers, and the actions that people are asked to take."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, Literal

import numpy as np
from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Curve, Distinct, Measure, Noted, Unknown, count, ratio, spread
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.leads import MILESTONES, STEPS, Step
from revgauge.model.period import Period

Basis = Literal["cohort", "flow"]

NO_LEAD = "no lead was created"
NO_RIPE_LEAD = "no lead that was created has had its window"
RIPENING = "still ripening"
RIPE_SHARE = Decimal("0.1")
"""A cohort ripens while at least this share of it is undecided and younger than usual."""
SECONDS_OF_DAY = 86400
CRITERIA = ("leads.has_budget", "leads.has_authority", "leads.has_need", "leads.has_timing")


def _both(condition: Any, other: Any) -> Any:
    """Two conditions of which either may be missing."""
    if condition is None or other is None:
        return other if condition is None else condition
    return condition & other


def _reached(milestone: str, direction: str | None) -> Any:
    """Rows of one milestone, of inbound or outbound leads if asked for."""
    return _both(_.milestone == milestone, None if direction is None else _.direction == direction)


# -- counts -----------------------------------------------------------------------------------------------------------


@metric(label="Leads", unit=Unit.COUNT, timing="leading")
def lead_count(lead_events: Facts, *, direction: Literal["inbound", "outbound"] | None = None) -> Measure:
    """Potential customers who came to the company, or whom it went to.

    Inbound ones searched for the business or raised a hand, outbound ones were reached out to.

    Unit: leads
    Formula: number of leads by day of creation
    Edges: a duplicate is no lead of its own; loaded but none is 0
    Seed: S2
    Source: sirius-waterfall
    So what: is there enough to work on, and from where; the levers are campaigns and prospecting
    """
    return count(lead_events, where=_reached("created", direction))


@metric(
    label="Marketing qualified leads",
    unit=Unit.COUNT,
    timing="leading",
    aliases=("mql_count",),
    needs=("leads.qualified_at",),
)
def marketing_qualified_lead_count(lead_events: Facts) -> Measure:
    """Leads that marketing found worth handing on, on the day it did.

    Unit: leads
    Formula: number of leads by day of qualification
    Edges: who skipped the step is not counted in it
    Seed: S1, S2
    Source: sirius-waterfall, hubspot-lifecycle
    So what: which handover starves the next team; the lever is the scoring threshold
    """
    return count(lead_events, where=_.milestone == "qualified")


@metric(
    label="Sales accepted leads",
    unit=Unit.COUNT,
    timing="leading",
    aliases=("sal_count",),
    needs=("leads.accepted_at",),
)
def sales_accepted_lead_count(lead_events: Facts) -> Measure:
    """Leads that sales agreed to work on, on the day it did. Some systems call these sales qualified.

    Unit: leads
    Formula: number of leads by day of acceptance
    Edges: who skipped the step is not counted in it
    Seed: S1, S2
    Source: sirius-waterfall, hubspot-lifecycle
    So what: which handover starves the next team; the lever is the rules of acceptance
    """
    return count(lead_events, where=_.milestone == "accepted")


@metric(
    label="Sales qualified leads",
    unit=Unit.COUNT,
    timing="leading",
    aliases=("sql_count",),
    needs=("opportunities.created_at",),
)
def sales_qualified_lead_count(lead_events: Facts) -> Measure:
    """Leads that became an opportunity, on the day they did.

    That is the day of the conversion or, without one, of the earliest creation among the lead's opportunities; a
    conversion into a mere contact is none.

    Unit: leads
    Formula: number of leads by day of becoming an opportunity
    Edges: who skipped the step is not counted in it
    Seed: S1, S2
    Source: sirius-waterfall, hubspot-lifecycle
    So what: which handover starves the next team; the levers are the first conversations
    """
    return count(lead_events, where=_.milestone == "opportunity")


# -- rates ------------------------------------------------------------------------------------------------------------


@metric(label="Conversion between lead stages", unit=Unit.RATIO, timing="leading", kind="cohort")
def lead_stage_conversion_rate(lead_events: Facts, context: Context, *, from_: Step, to: Step) -> Measure:
    """Of the leads that took one step in the period, the share that took another, or any beyond it, by now.

    The steps are lead, mql, sal, sql and won (a client). Who skipped the first step is not in the rate, who skipped the
    second passed it.

    Unit: share of the leads that took the first step
    Formula: leads that took the second step or one beyond it / leads that took the first
    Null: no lead took the first step
    Edges: a young cohort looks worse than it is and is marked
    Seed: S1, S3
    Source: sirius-waterfall
    So what: where interest leaks; the lever is the definition and the speed of that handover
    Benchmark: custom says 10-25 % from lead to MQL, 40-60 % on to SAL, 50-70 % on to SQL, 20-30 % on to won (mv3)
    """
    order = list(STEPS)
    if order.index(to) <= order.index(from_):
        return Unknown(f"{to} does not come after {from_}: the steps are {' < '.join(order)}")
    if lacking := _lacking(context, from_, to):
        return Unknown(lacking)
    beyond = [_[MILESTONES[STEPS[step]]].notnull() for step in order[order.index(to) :]]
    passed = reduce(or_, beyond)
    cohort = _.milestone == STEPS[from_]
    started = count(lead_events, where=cohort)
    young = count(lead_events, where=cohort & ~passed & _[f"{STEPS[to]}_ripening"])
    share = ratio(count(lead_events, where=cohort & passed), started, f"no lead became {from_}")
    return Noted(share, RIPENING, ratio(young, started), RIPE_SHARE)


def _lacking(context: Context, *steps: Step) -> str:
    """What was never loaded of the fields that say whether the steps were taken."""
    needs: dict[Step, str] = {
        "lead": "leads.created_at",
        "mql": "leads.qualified_at",
        "sal": "leads.accepted_at",
        "sql": "opportunities.created_at",
        "won": "opportunities.is_won",
    }
    return context.lacking(*(needs[step] for step in steps))


def _share_of_leads(
    facts: Facts,
    milestone: str,
    basis: Basis,
    window_days: int | None,
    direction: str | None,
    where: Any = None,
) -> Measure:
    """Leads that reached a milestone over leads created: of one cohort, or of one period's two crowds."""
    created = _reached("created", direction)
    if basis == "flow":
        arrived = count(facts, where=_both(_reached(milestone, direction), where))
        return ratio(arrived, count(facts, where=created), NO_LEAD)
    if window_days is not None:
        window = window_days * SECONDS_OF_DAY
        ripe = created & (_.watched >= window)
        in_time = _both(ripe & (_[f"{milestone}_after"] <= window), where)
        return ratio(count(facts, where=in_time), count(facts, where=ripe), NO_RIPE_LEAD)
    whole = count(facts, where=created)
    arrived = count(facts, where=_both(created & _[MILESTONES[milestone]].notnull(), where))
    young = count(facts, where=created & _[f"{milestone}_ripening"])
    return Noted(ratio(arrived, whole, NO_LEAD), RIPENING, ratio(young, whole), RIPE_SHARE)


@metric(
    label="Lead to opportunity rate",
    unit=Unit.RATIO,
    timing="leading",
    kind="cohort",
    needs=("opportunities.created_at",),
)
def lead_to_opportunity_rate(
    lead_events: Facts,
    *,
    basis: Basis = "cohort",
    window_days: int | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
) -> Measure:
    """The share of the leads created that became an opportunity since.

    With `window_days` only leads count that have had that many days, and only what they did within. With basis `flow`
    it is those that became one in the period over those created in it: two crowds, so it may pass 100 %.

    Unit: share of leads
    Formula: leads that became an opportunity by now / leads created
    Null: no lead was created, or none has had its window
    Edges: a young cohort looks worse than it is and is marked
    Seed: S2, S1
    Source: sirius-waterfall, bernhardsson, dbt-conversion
    So what: is marketing sending what sales can use; the levers are targeting, scoring and follow-up
    """
    return _share_of_leads(lead_events, "opportunity", basis, window_days, direction)


@metric(
    label="Lead to accepted opportunity rate",
    unit=Unit.RATIO,
    timing="leading",
    kind="cohort",
    needs=("opportunities.created_at",),
)
def lead_to_accepted_opportunity_rate(
    lead_events: Facts,
    context: Context,
    *,
    criteria: Literal["accepted", "bant", "both"] = "accepted",
    bant_min: int = 4,
    basis: Basis = "cohort",
    window_days: int | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
) -> Measure:
    """The share of the leads created that have an opportunity which sales accepted.

    With criteria `bant` the lead became an opportunity and at least `bant_min` of budget, authority, need and timing
    are known to be there; with `both` it is that and acceptance. Any opportunity of the lead may be the accepted one.

    Unit: share of leads
    Formula: leads with an accepted opportunity by now / leads created
    Null: no lead was created, or none has had its window
    Edges: an unknown criterion is not a yes; a young cohort is marked
    Seed: S1
    Source: sirius-waterfall
    So what: the purest test of the quality of leads, since both teams must consent; the levers are keywords, personas
        and where ads are placed
    """
    needs = () if criteria == "bant" else ("opportunities.accepted_at",)
    if lacking := context.lacking(*needs, *(() if criteria == "accepted" else CRITERIA)):
        return Unknown(lacking)
    milestones = {"accepted": "deal_accepted", "bant": "opportunity", "both": "opportunity_and_accepted"}
    meets = None if criteria == "accepted" else _.met_criteria >= bant_min
    return _share_of_leads(lead_events, milestones[criteria], basis, window_days, direction, meets)


@metric(
    label="Activation rate",
    unit=Unit.RATIO,
    kind="cohort",
    needs=("opportunities.closed_at", "opportunities.is_won"),
)
def activation_rate(
    lead_events: Facts,
    context: Context,
    *,
    activation: Literal["any", "won"] = "any",
    basis: Basis = "cohort",
    window_days: int | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
) -> Measure:
    """The share of the leads created that became clients since.

    A lead is activated when a deal of it is won; or, if no lead of its account has won one, when the account's first
    subscription starts on or after the day of the lead, which is credited once, to the account's earliest lead. With
    activation `won` only deals count. Without any subscriptions loaded only deals can count, and the value says so.

    Unit: share of leads
    Formula: leads that became clients by now / leads created
    Null: no lead was created, or none has had its window
    Edges: an account that subscribed before is a customer already; a young cohort is marked
    Seed: S2
    Source: S2
    So what: does the whole path produce customers; the levers are all between the first answer and the first value
    """
    milestone = "activated" if activation == "any" else "deal_won"
    rate = _share_of_leads(lead_events, milestone, basis, window_days, direction)
    if activation == "any" and context.lacking("subscriptions.started_on"):
        return Noted(rate, "from deals alone", count(lead_events), Decimal(0))
    return rate


@metric(label="Gap between the two rates", unit=Unit.RATIO, better="down", timing="leading", kind="cohort")
def lead_activation_gap(lead_to_opportunity_rate: Measure, activation_rate: Measure) -> Measure:
    """How much larger the share of leads is that become opportunities than the share that become clients.

    Read it against its own past: a gap that widens by more than its interval is a finding.

    Unit: share of leads
    Formula: lead to opportunity rate - activation rate
    Null: either is
    Seed: S2
    Source: S2
    So what: opportunities open but do not turn into clients: look at pitch, onboarding and support before buying more
        leads
    """
    return lead_to_opportunity_rate - activation_rate


# -- actions ----------------------------------------------------------------------------------------------------------


@metric(
    label="Conversion rate of an action",
    unit=Unit.RATIO,
    timing="leading",
    kind="cohort",
    needs=("conversions.offered_at",),
)
def conversion_rate(
    conversion_events: Facts,
    *,
    action: str,
    window_days: int | None = None,
    unit: Literal["subject", "offer"] = "subject",
) -> Measure:
    """Of those who were asked to take an action, the share who took it: a newsletter, a webinar, a demo, a purchase.

    A subject who was asked twice is one, from its first offer; with unit `offer` each offer stands by itself. With
    `window_days` only those count who have had that many days, and only what they did within.

    Unit: share of those who were asked
    Formula: subjects who took the action after their first offer / subjects first asked in the period
    Null: nobody was asked, or nobody has had the window
    Edges: who did it before being asked did not convert; who was never asked is in the count alone
    Seed: S2, S4
    Source: dbt-conversion
    So what: which step to redesign; the levers are the offer, the page and the timing
    """
    asked = (_.event == "offered") & (_.action == action)
    if unit == "subject":
        asked = asked & _.first
    after = _.taken_after if unit == "subject" else _.own_after
    if window_days is not None:
        window = window_days * SECONDS_OF_DAY
        asked = asked & (_.watched >= window)
        done = count(conversion_events, where=asked & (after <= window))
        return ratio(done, count(conversion_events, where=asked), f"nobody has had {window_days} days since an offer")
    whole = count(conversion_events, where=asked)
    rate = ratio(count(conversion_events, where=asked & after.notnull()), whole, f"nobody was offered: {action}")
    young = ratio(count(conversion_events, where=asked & after.isnull() & _.young), whole)
    return Noted(rate, RIPENING, young, RIPE_SHARE)


@metric(label="Conversions", unit=Unit.COUNT, timing="leading")
def conversion_count(conversion_events: Facts, *, action: str) -> Measure:
    """How many different subjects took an action, asked or not.

    Unit: subjects
    Formula: number of different subjects by day of conversion
    Edges: taking it before an offer counts here
    Seed: S2
    Source: dbt-conversion
    So what: does the action happen at all; read it with the rate
    """
    return Distinct(conversion_events, where=(_.event == "converted") & (_.action == action), of="subject_id")


@metric(label="Time to conversion", unit=Unit.DAYS, better="down", timing="leading")
def time_to_conversion_days(
    lead_waits: Facts,
    conversion_events: Facts,
    context: Context,
    *,
    action: str | None = None,
    stat: Literal["median", "mean", "p90", "km_median"] = "median",
    from_: Step = "lead",
    to: Step = "won",
) -> Measure:
    """How long it takes from an offer to the action or, without an action, from one step of a lead to another.

    Booked where it ends. With `km_median` it is Kaplan and Meier's median of the cohort that started in the period,
    with those who still wait counted up to now: the first time at which at most a half still wait. Use that to compare
    young cohorts, of which the plain median sees only the quick.

    Unit: days, with fractions
    Formula: median of end - start
    Null: nobody arrived in the period; with km_median more than half of the cohort still wait
    Edges: never offered, or the end before the start: left out
    Seed: S2
    Source: kaplan-meier, bernhardsson
    So what: speed is revenue earlier; the levers are follow-up and nurturing
    """
    if action is not None:
        facts = conversion_events
        started = (_.event == "offered") & (_.action == action)
        arrived = (_.event == "converted") & (_.action == action)
    else:
        if lacking := _lacking(context, from_, to):
            return Unknown(lacking)
        facts = lead_waits
        started, arrived = _.milestone == STEPS[from_], _.milestone == STEPS[to]
    if stat == "km_median":
        return Curve(
            facts,
            where=started & (_.waited >= 0),
            columns=("waited", "arrived"),
            function=_surviving_median,
            emptiness="nobody started, or more than half of those who did have not arrived yet",
        )
    return spread(facts, _.elapsed / float(SECONDS_OF_DAY), stat, where=arrived & (_.elapsed >= 0))


def _surviving_median(_period: Period, waited: Any, arrived: Any, counts: Any) -> Decimal | None:
    """The first time, in days, at which the estimated share of those still waiting is at most a half."""
    seconds = np.array(waited, dtype=np.int64)
    events = np.where(np.array(arrived, dtype=bool), np.array(counts, dtype=np.int64), 0)
    times, places = np.unique(seconds, return_inverse=True)
    ended = np.bincount(places, weights=events)
    leaving = np.bincount(places, weights=np.array(counts, dtype=np.int64))
    at_risk = leaving[::-1].cumsum()[::-1]
    waiting = np.cumprod(1 - ended / at_risk)
    # A share that is a half in truth may come out a hair above it.
    passed = np.nonzero(waiting <= 0.5 + 1e-12)[0]
    return Decimal(int(times[passed[0]])) / SECONDS_OF_DAY if passed.size else None
