"""Leads on their way to customers: one row for each milestone, with the owner of that moment.

A duplicate is no lead of its own; what it reached counts for its survivor where the survivor's own field is empty.
Milestones after the day `now` have not happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import ibis
from ibis import _

from revgauge.catalogue.context import follow
from revgauge.catalogue.engine import beside, flag, instant_of, seconds_between, wall_clock, with_match, without_match
from revgauge.catalogue.facts import Dimension, of_account, of_person, own
from revgauge.catalogue.registry import derived
from revgauge.derived.opportunities import OPPORTUNITY_DIMENSIONS, is_known, is_sold, outcome

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Step = Literal["lead", "mql", "sal", "sql", "won"]

MILESTONES: dict[str, str] = {
    "created": "created_at",
    "qualified": "qualified_at",
    "accepted": "accepted_at",
    "opportunity": "opportunity_at",
    "deal_accepted": "deal_accepted_at",
    "opportunity_and_accepted": "opportunity_and_accepted_at",
    "deal_won": "deal_won_at",
    "activated": "activated_at",
}
"""Every milestone that is counted, and the column of a lead that holds its instant."""

STEPS: dict[Step, str] = {
    "lead": "created",
    "mql": "qualified",
    "sal": "accepted",
    "sql": "opportunity",
    "won": "activated",
}
"""The steps of the funnel in order, and the milestone at which a lead takes each."""

OUTCOMES = (
    "qualified",
    "accepted",
    "opportunity",
    "deal_accepted",
    "opportunity_and_accepted",
    "deal_won",
    "activated",
)
"""Milestones that a share of leads may be asked for."""

LEAD_DIMENSIONS: dict[str, Dimension] = {
    **own("direction", "channel", "campaign_id", "owner_id", "account_id"),
    **of_person("team", "role", "department"),
    **of_account("segment", "region", "industry"),
}
"""Dimensions of leads: the owner is that of the milestone, the account is as it is now."""

OWN_FIRST = ("qualified_at", "accepted_at", "converted_at")
"""Milestones that a survivor takes from its duplicates only where its own is empty."""
CRITERIA = ("has_budget", "has_authority", "has_need", "has_timing")
"""What is asked of a lead that is to become an opportunity."""
TOLD = ("lead_id", "account_id", "direction", "channel", "campaign_id", "owner_id", "created_at")
"""What events tell of a lead as it stands."""


# -- who is a lead ----------------------------------------------------------------------------------------------------


@derived(needs=("leads.created_at",))
def known_leads(leads: ir.Table, context: Context) -> ir.Table:
    """Leads created up to the day `now`, duplicates too, with the lead under which each counts: `target_id`."""
    rows = leads.filter(context.has_come(_.created_at))
    merges = rows.filter(_.duplicate_of.notnull()).select("lead_id", "duplicate_of")
    ends = follow(dict(context.warehouse.pairs(merges)))
    if not ends:
        return rows.mutate(target_id=_.lead_id)
    links = context.warehouse.literal_table({"merged_id": "string", "survivor_id": "string"}, ends.items())

    def target(mine: Any, theirs: Any) -> Any:
        return ibis.coalesce(theirs("survivor_id"), mine("lead_id"))

    return beside(rows, links, {"lead_id": "merged_id"}, {"target_id": target})


@derived(kept=False)
def own_leads(known_leads: ir.Table) -> ir.Table:
    """The known leads that are no duplicates, each of which counts under itself."""
    return known_leads.filter(_.duplicate_of.isnull())


@derived(kept=False, optional=frozenset({"opportunities"}))
def lead_links(known_leads: ir.Table, opportunities: ir.Table) -> ir.Table:
    """Which opportunities are a lead's: those that name it or that it names, its duplicates included."""
    named = known_leads.filter(_.opportunity_id.notnull()).select(of_lead=_.lead_id, linked_id=_.opportunity_id)
    naming = opportunities.filter(_.lead_id.notnull()).select(of_lead=_.lead_id, linked_id=_.opportunity_id)
    links = named.union(naming)
    found = beside(links, known_leads, {"of_lead": "lead_id"}, {"target_id": "target_id"}, how="inner")
    return found.select("target_id", "linked_id").distinct()


# -- what it reached --------------------------------------------------------------------------------------------------


@derived(optional=frozenset({"opportunities"}))
def lead_deals(lead_links: ir.Table, opportunities: ir.Table, context: Context) -> ir.Table:
    """What the deals of each lead came to: the earliest creation, acceptance and closing as won among them."""
    reached = beside(lead_links, opportunities, {"linked_id": "opportunity_id"}, how="inner")
    # Few opportunities are linked, so whether they count is asked of those alone, after the join.
    reached = reached.select("target_id", "created_at", "loss_reason", known=is_known(context), **outcome(context))
    counts = _.known & is_sold()
    deals = reached.group_by(of_lead=_.target_id).aggregate(
        first_deal_at=ibis.ifelse(counts, _.created_at, None).min(),
        deal_accepted_at=ibis.ifelse(counts, _.accepted_at, None).min(),
        deal_won_at=ibis.ifelse(counts & _.won, _.closed_at, None).min(),
    )
    return deals.filter(_.first_deal_at.notnull())


@derived(row_key=("lead_id", "account_id"), optional=frozenset({"subscriptions"}))
def lead_states(
    known_leads: ir.Table, own_leads: ir.Table, lead_deals: ir.Table, subscriptions: ir.Table, context: Context
) -> ir.Table:
    """Every lead that counts with the instants of its milestones, empty where it has not reached them by `now`.

    `met_criteria` says how many of budget, authority, need and timing are known to be there. `<milestone>_after` is
    the time on a wall clock from the lead's creation to the milestone, in seconds, and `watched` that to the end of the
    day `now`, so that a window of n days is over at the same time of the day.
    """
    served = _self_served(own_leads, lead_deals, subscriptions, context)
    leads = _own_milestones(known_leads, own_leads, context)
    leads = beside(beside(leads, lead_deals, {"lead_id": "of_lead"}), served, {"lead_id": "served_lead"})
    leads = leads.mutate(
        # Each lead that has deals has a first one.
        opportunity_at=ibis.ifelse(_.first_deal_at.notnull(), ibis.coalesce(_.converted_at, _.first_deal_at), None),
        activated_at=ibis.coalesce(_.deal_won_at, _.served_at),
        met_criteria=sum(ibis.ifelse(_[name].fill_null(False), 1, 0) for name in CRITERIA),
    )
    leads = leads.mutate(
        opportunity_and_accepted_at=ibis.ifelse(
            _.opportunity_at.notnull() & _.deal_accepted_at.notnull(),
            ibis.greatest(_.opportunity_at, _.deal_accepted_at),
            None,
        )
    )
    return _told(leads, context)


def _own_milestones(known_leads: ir.Table, own_leads: ir.Table, context: Context) -> ir.Table:
    """Leads that are no duplicates, with milestones of their own or else the earliest of their duplicates."""
    known = {name: context.known(_[name]) for name in OWN_FIRST}
    twins = known_leads.filter(_.duplicate_of.notnull()).group_by(twin_of=_.target_id)
    twins = twins.aggregate(**{f"twin_{name}": instant.min() for name, instant in known.items()})
    leads = context.resolved(own_leads.select(*TOLD, "disqualified_at", *OWN_FIRST, *CRITERIA))
    return beside(leads, twins, {"lead_id": "twin_of"}).select(
        *TOLD,
        *CRITERIA,
        disqualified_at=context.known(_.disqualified_at),
        **{name: ibis.coalesce(instant, _[f"twin_{name}"]) for name, instant in known.items()},
    )


def _self_served(own_leads: ir.Table, lead_deals: ir.Table, subscriptions: ir.Table, context: Context) -> ir.Table:
    """The leads that became clients by the first subscription of their account, and when: `served_at`.

    Where no lead of the account won a deal, it is credited to the earliest; who subscribed before the first lead was a
    customer already.
    """
    begun = subscriptions.filter(_.started_on <= context.today()).select("account_id", "started_on")
    begun = context.resolved(begun).group_by(subscriber=_.account_id).aggregate(subscribed_on=_.started_on.min())
    leads = context.resolved(own_leads.select("lead_id", "account_id", "created_at"))
    leads = leads.mutate(created_day=context.day(_.created_at))
    won = with_match(leads, lead_deals.filter(_.deal_won_at.notnull()), {"lead_id": "of_lead"})
    # The earliest of the leads up to the subscription is the earliest of all, if there is any.
    before = leads.inner_join(begun, [leads.account_id == begun.subscriber, leads.created_day <= begun.subscribed_on])
    before = without_match(before.select(*leads.columns, "subscribed_on"), won, {"account_id": "account_id"})
    in_order = ibis.window(group_by="account_id", order_by=["created_at", "lead_id"])
    first = before.mutate(place=ibis.row_number().over(in_order)).filter(_.place == 0)
    started = instant_of(_.subscribed_on.cast("timestamp"), context.settings.time_zone)
    return first.select(served_lead=_.lead_id, served_at=started)


def _told(leads: ir.Table, context: Context) -> ir.Table:
    """The columns that events carry."""
    zone = context.settings.time_zone

    def after(instant: Any) -> Any:
        return seconds_between(wall_clock(_.created_at, zone), wall_clock(instant, zone))

    return leads.select(
        *("lead_id", "account_id", "direction", "channel", "campaign_id", "met_criteria", "disqualified_at"),
        *MILESTONES.values(),
        present_owner=_.owner_id,
        watched=after(context.end()),
        **{f"{name}_after": after(_[MILESTONES[name]]) for name in OUTCOMES},
    )


@derived(kept=False, row_key=("lead_id", "account_id", "milestone"))
def lead_milestones(lead_states: ir.Table, context: Context) -> ir.Table:
    """One row for each milestone that a lead reached, with the instant `at` and all that is told of the lead."""
    # Each lead meets each milestone: a union of the milestones would read the leads anew for each of them.
    turns = [(milestone, turn) for turn, milestone in enumerate(MILESTONES)]
    listed = context.warehouse.literal_table({"milestone": "string", "turn": "int64"}, turns)
    at = ibis.cases(*((_.turn == turn, _[column]) for turn, column in enumerate(MILESTONES.values())))
    return lead_states.cross_join(listed).select(*lead_states.columns, "milestone", at=at).filter(_.at.notnull())


@derived()
def usual_waits(lead_milestones: ir.Table) -> ir.Table:
    """How long nine in ten took at most from a milestone to each that leads may still come to, in seconds."""
    spent = lead_milestones.select(
        usual_milestone=_.milestone,
        **{name: seconds_between(_.at, _[MILESTONES[name]]).cast("float64") for name in OUTCOMES},
    )
    return spent.group_by("usual_milestone").aggregate(
        **{f"usual_{name}": ibis.ifelse(_[name] >= 0, _[name], None).quantile(0.9) for name in OUTCOMES}
    )


@derived(
    kept=False,
    dimensions=LEAD_DIMENSIONS,
    row_key=("lead_id", "account_id", "milestone"),
    costly=("owner_id",),
)
def lead_events(lead_milestones: ir.Table, usual_waits: ir.Table, lead_owners: ir.Table, context: Context) -> ir.Table:
    """One row for each milestone that a lead reached, on its day and with the owner of that moment.

    The columns of the lead's other milestones say what became of it. `<milestone>_ripening` marks a row whose lead has
    not got there, was not given up, and is younger than nine in ten were that did.
    """
    joined = beside(lead_milestones, usual_waits, {"milestone": "usual_milestone"})
    owner = _.present_owner
    if context.asks("owner_id"):
        joined = beside(joined, lead_owners, {"lead_id": "held_lead", "milestone": "held_milestone"})
        owner = ibis.coalesce(_.person_id, owner)
    age = seconds_between(_.at, context.end())
    told = joined.select(
        *lead_milestones.columns,
        day=context.day(_.at),
        owner_id=owner,
        **{
            f"{name}_ripening": _[MILESTONES[name]].isnull()
            & _.disqualified_at.isnull()
            & (age < _[f"usual_{name}"]).fill_null(False)
            for name in OUTCOMES
        },
    )
    # Whatever joins these events joins a table of its own: Ibis adds joins to a chain, in which `day` is not known yet.
    return told.drop("present_owner")


@derived(optional=frozenset({"lead_assignments"}))
def lead_owners(lead_milestones: ir.Table, known_leads: ir.Table, lead_assignments: ir.Table) -> ir.Table:
    """Who held a lead at its milestones, where an assignment says so: the latest of those in force.

    A lead without assignments of its own takes those of its duplicates.
    """
    held = lead_assignments.rename(assigned_lead="lead_id")
    held = held.inner_join(known_leads, held.assigned_lead == known_leads.lead_id)
    held = held.select("target_id", "person_id", "valid_from", "valid_to", own=_.assigned_lead == _.target_id)
    has_own = flag(_.own).max().over(ibis.window(group_by="target_id"))
    held = held.mutate(counts=_.own | (has_own == 0)).filter(_.counts)
    reached = lead_milestones.select("lead_id", "milestone", "at")
    met = reached.inner_join(
        held,
        [
            reached.lead_id == held.target_id,
            held.valid_from <= reached["at"],
            held.valid_to.isnull() | (held.valid_to > reached["at"]),
        ],
    )
    latest = ibis.window(group_by=["lead_id", "milestone"], order_by=[ibis.desc("valid_from"), ibis.desc("person_id")])
    met = met.mutate(place=ibis.row_number().over(latest)).filter(_.place == 0)
    return met.select("person_id", held_lead=_.lead_id, held_milestone=_.milestone)


@derived(kept=False, dimensions=LEAD_DIMENSIONS, row_key=("lead_id", "account_id", "reason"))
def lead_events_left_out(leads: ir.Table, context: Context) -> ir.Table:
    """Leads that no figure counts as leads of their own, and why."""
    rows = leads.mutate(day=context.day(_.created_at))
    told = ("lead_id", "account_id", "day", "direction", "channel", "campaign_id", "owner_id", "created_at")
    merged = rows.filter(_.duplicate_of.notnull()).select(*told, reason="a duplicate of " + _.duplicate_of)
    later = rows.filter(_.duplicate_of.isnull() & (_.day > context.today())).select(
        *told, reason=ibis.literal(f"created after {context.now}")
    )
    return merged.union(later)


# -- how long it takes ------------------------------------------------------------------------------------------------


@derived(kept=False, dimensions=LEAD_DIMENSIONS, row_key=("lead_id", "account_id", "milestone"))
def lead_waits(lead_events: ir.Table, context: Context, *, from_: Step = "lead", to: Step = "won") -> ir.Table:
    """Milestones with the time between two steps: `elapsed` seconds where both were taken.

    `waited` are the seconds from the first step to the second, or to the end of the day `now` while it has not come,
    and `arrived` says which of the two.
    """
    start, end = (_[MILESTONES[STEPS[step]]] for step in (from_, to))
    return lead_events.mutate(
        elapsed=seconds_between(start, end),
        waited=seconds_between(start, ibis.coalesce(end, context.end())),
        arrived=end.notnull(),
    )


@derived(kept=False, dimensions=LEAD_DIMENSIONS, row_key=("lead_id", "account_id"))
def lead_waits_left_out(lead_waits: ir.Table, *, to: Step = "won") -> ir.Table:
    """Leads that took the second step before the first, so that there is no time between."""
    rows = lead_waits.filter((_.milestone == STEPS[to]) & (_.elapsed < 0))
    return rows.select(
        *("lead_id", "account_id", "day", "direction", "channel", "campaign_id", "owner_id", "at"),
        reason=ibis.literal("the second step came before the first"),
    )


@derived(
    kept=False,
    dimensions=OPPORTUNITY_DIMENSIONS,
    row_key=("opportunity_id", "account_id", "event"),
    left_out="deal_events_left_out",
)
def deal_origins(deal_events: ir.Table, lead_links: ir.Table, own_leads: ir.Table) -> ir.Table:
    """Events of deals that came from a lead, with the lead's creation; the earliest if several leads led to it."""
    survivors = own_leads.select("lead_id", "created_at")
    origins = lead_links.inner_join(survivors, lead_links.target_id == survivors.lead_id)
    origins = origins.group_by(origin_of="linked_id").aggregate(lead_created_at=_.created_at.min())
    joined = deal_events.inner_join(origins, deal_events.opportunity_id == origins.origin_of)
    return joined.drop("origin_of")
