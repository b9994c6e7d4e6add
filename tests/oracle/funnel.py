"""Leads on their way to customers, and the actions that people were asked to take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import Any

from .deals import ACCOUNT_DIMENSIONS, OWNER_DIMENSIONS, Deals
from .money import ratio, statistic
from .periods import days_later, elapsed_days, midnight
from .question import Question
from .tables import Row, chain_end

STEPS = ("lead", "mql", "sal", "sql", "won")
INHERITED = ("qualified_at", "accepted_at", "converted_at")
FLAGS = ("has_budget", "has_authority", "has_need", "has_timing")


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


class Leads:
    """The leads that count, each with the milestones it reached up to `now`."""

    def __init__(self, question: Question) -> None:
        """Merge duplicates into their survivors and find each lead's opportunities."""
        self.question = question
        self._known = [row for row in question.tables.rows("leads") if question.known(row["created_at"]) is not None]
        self._merged = {row["lead_id"]: row["duplicate_of"] for row in self._known if row["duplicate_of"]}
        self._duplicates: dict[str, list[Row]] = defaultdict(list)
        for row in self._known:
            if row["duplicate_of"]:
                self._duplicates[chain_end(row["lead_id"], self._merged)].append(row)
        self.rows = [self._with_milestones(row) for row in self._known if not row["duplicate_of"]]

    @cached_property
    def _deals(self) -> Deals:
        return Deals(self.question.asking(params={}))

    def _with_milestones(self, row: Row) -> Row:
        family = [row, *self._duplicates[row["lead_id"]]]
        lead = dict(row)
        for name in INHERITED:
            own = self.question.known(row[name])
            lead[name] = own or _earliest(self.question.known(twin[name]) for twin in family)
        ids = {twin["lead_id"] for twin in family}
        named = {twin["opportunity_id"] for twin in family}
        lead["deals"] = [d for d in self._deals.rows if d["lead_id"] in ids or d["opportunity_id"] in named]
        lead["family"] = ids
        lead["account"] = self.question.accounts.survivor(row["account_id"])
        became = lead["converted_at"] or _earliest(deal["created_at"] for deal in lead["deals"])
        lead["sql"] = became if lead["deals"] else None
        lead["deal_accepted"] = _earliest(self.question.known(deal["accepted_at"]) for deal in lead["deals"])
        lead["deal_won"] = _earliest(deal["closed_at"] for deal in lead["deals"] if deal["won"])
        return lead

    def created_at_of_deal(self, deal: Row) -> datetime | None:
        """When the lead that a deal came from was created; the earliest if several name it."""
        deal_id = deal["opportunity_id"]
        return _earliest(
            lead["created_at"]
            for lead in self.rows
            if deal["lead_id"] in lead["family"]
            or any(r["opportunity_id"] == deal_id for r in self._known if r["lead_id"] in lead["family"])
        )

    @cached_property
    def _subscribed_on(self) -> dict[str, Any]:
        """The day of each account's first subscription."""
        first: dict[str, Any] = {}
        for row in self.question.tables.rows("subscriptions"):
            account_id = self.question.accounts.survivor(row["account_id"])
            started = row["started_on"]
            if account_id is not None and started is not None and started <= self.question.now:
                first[account_id] = min(started, first.get(account_id, started))
        return first

    def activated_at(self, lead: Row) -> datetime | None:
        """When the lead became a client: through a deal, or its account's first subscription, credited once."""
        if lead["deal_won"] is not None or self.question.params.get("activation", "any") == "won":
            return lead["deal_won"]  # type: ignore[no-any-return]
        account_id = lead["account"]
        started = self._subscribed_on.get(account_id)
        if account_id is None or started is None:
            return None
        siblings = [other for other in self.rows if other["account"] == account_id]
        earliest = min(siblings, key=lambda other: (other["created_at"], other["lead_id"]))
        credited = earliest["lead_id"] == lead["lead_id"]
        if not credited or any(other["deal_won"] is not None for other in siblings):
            return None
        after = started >= self.question.day_of(lead["created_at"])
        return midnight(started, self.question.zone) if after else None

    def milestone(self, lead: Row, step: str) -> datetime | None:
        """When the lead reached a step, if it did by `now`."""
        if step == "won":
            return self.activated_at(lead)
        name = {"lead": "created_at", "mql": "qualified_at", "sal": "accepted_at", "sql": "sql"}[step]
        return lead[name]  # type: ignore[no-any-return]

    def in_slice(self, lead: Row, event: datetime) -> bool:
        """Whether the lead belongs to the slice asked for; its owner is that of the event."""
        wanted = dict(self.question.by)
        if "direction" in self.question.params:
            wanted["direction"] = self.question.params["direction"]
        return all(self._dimension(lead, name, event) == value for name, value in wanted.items())

    def _dimension(self, lead: Row, name: str, event: datetime) -> str:
        if name in ACCOUNT_DIMENSIONS:
            return self.question.accounts.dimension(lead["account_id"], name)
        if name == "owner_id":
            return self._owner_at(lead, event)
        if name in OWNER_DIMENSIONS:
            owner = self._owner_at(lead, event)
            people = {row["person_id"]: row for row in self.question.tables.rows("people")}
            return people.get(owner, {}).get(name) or "unknown"
        return lead[name] or "unknown"

    def _owner_at(self, lead: Row, event: datetime) -> str:
        rows = [r for r in self.question.tables.rows("lead_assignments") if r["lead_id"] in lead["family"]]
        own = [row for row in rows if row["lead_id"] == lead["lead_id"]]
        in_force = [
            row
            for row in own or rows
            if row["valid_from"] <= event and (row["valid_to"] is None or event < row["valid_to"])
        ]
        if in_force:
            return str(max(in_force, key=lambda row: row["valid_from"])["person_id"])
        return lead["owner_id"] or "unknown"

    def reached(self, when: Callable[[Row], datetime | None]) -> list[Row]:
        """Leads for which an event lies in the period, in the slice of their owner then."""
        found = []
        for lead in self.rows:
            event = when(lead)
            if event is not None and self.question.within(event) and self.in_slice(lead, event):
                found.append(lead)
        return found


def milestone_count(question: Question, step: str) -> Fraction | None:
    """Leads whose milestone lies in the period."""
    leads = Leads(question)
    return Fraction(len(leads.reached(lambda lead: leads.milestone(lead, step))))


def lead_stage_conversion_rate(question: Question) -> Fraction | None:
    """Of the leads that reached one step in the period, the share that reached another or anything beyond it."""
    leads = Leads(question)
    origin, target = question.params["from"], question.params["to"]
    cohort = leads.reached(lambda lead: leads.milestone(lead, origin))
    beyond = STEPS[STEPS.index(target) :]
    passed = [lead for lead in cohort if any(leads.milestone(lead, step) is not None for step in beyond)]
    return ratio(len(passed), len(cohort))


def _share_of_leads(question: Question, leads: Leads, when: Callable[[Row], datetime | None]) -> Fraction | None:
    """Leads to which something happened, over leads: of one cohort, or of one period's two crowds."""
    cohort = leads.reached(lambda lead: lead["created_at"])
    if question.params.get("basis", "cohort") == "flow":
        return ratio(len(leads.reached(when)), len(cohort))
    window = question.params.get("window_days")
    if window is None:
        return ratio(sum(when(lead) is not None for lead in cohort), len(cohort))
    ripe = [
        (lead, deadline)
        for lead in cohort
        if (deadline := days_later(lead["created_at"], window, question.zone)) <= question.known_until
    ]
    done = [lead for lead, deadline in ripe if (event := when(lead)) is not None and event <= deadline]
    return ratio(len(done), len(ripe))


def lead_to_opportunity_rate(question: Question) -> Fraction | None:
    """The share of leads that became an opportunity."""
    leads = Leads(question)
    return _share_of_leads(question, leads, lambda lead: lead["sql"])


def lead_to_accepted_opportunity_rate(question: Question) -> Fraction | None:
    """The share of leads with an opportunity that sales accepted, that meets BANT, or both."""
    criteria = question.params.get("criteria", "accepted")
    least = question.params.get("bant_min", 4)

    def when(lead: Row) -> datetime | None:
        qualified = lead["sql"] if sum(lead[flag] is True for flag in FLAGS) >= least else None
        if criteria == "accepted":
            return lead["deal_accepted"]  # type: ignore[no-any-return]
        if criteria == "bant":
            return qualified
        if qualified is None or lead["deal_accepted"] is None:
            return None
        return max(qualified, lead["deal_accepted"])  # type: ignore[no-any-return]

    return _share_of_leads(question, Leads(question), when)


def activation_rate(question: Question) -> Fraction | None:
    """The share of leads that became clients."""
    leads = Leads(question)
    return _share_of_leads(question, leads, leads.activated_at)


def lead_activation_gap(question: Question) -> Fraction | None:
    """How many more leads become opportunities than clients."""
    opportunities, clients = lead_to_opportunity_rate(question), activation_rate(question)
    return None if opportunities is None or clients is None else opportunities - clients


# --- actions ---------------------------------------------------------------------------------------------------------


def _steps(question: Question) -> list[Row]:
    """Rows of the action asked for, with what is known by `now`."""
    action = question.params.get("action")
    rows = []
    for row in question.tables.rows("conversions"):
        if action is None or row["action"] == action:
            known = {name: question.known(row[name]) for name in ("offered_at", "converted_at")}
            rows.append({**row, **known})
    return rows


def _step_in_slice(question: Question, row: Row) -> bool:
    return all((row[name] or "unknown") == wanted for name, wanted in question.by.items())


def conversion_rate(question: Question) -> Fraction | None:
    """Of those who were asked, the share who took the action."""
    asked = [row for row in _steps(question) if row["offered_at"] is not None]
    if question.params.get("unit", "subject") == "subject":
        asked = _first_offers(asked, _steps(question))
    window = question.params.get("window_days")
    done = counted = 0
    for row in asked:
        if not question.within(row["offered_at"]) or not _step_in_slice(question, row):
            continue
        deadline = None if window is None else days_later(row["offered_at"], window, question.zone)
        if deadline is not None and deadline > question.known_until:
            continue
        counted += 1
        after = [moment for moment in row.get("conversions", [row["converted_at"]]) if moment is not None]
        taken = _earliest(moment for moment in after if moment >= row["offered_at"])
        done += taken is not None and (deadline is None or taken <= deadline)
    return ratio(done, counted)


def _first_offers(asked: list[Row], rows: list[Row]) -> list[Row]:
    """One row for each subject: its first offer, with all the moments at which it took the action."""
    first: dict[str, Row] = {}
    for row in sorted(asked, key=lambda row: row["offered_at"]):
        first.setdefault(row["subject_id"], row)
    return [
        {**row, "conversions": [other["converted_at"] for other in rows if other["subject_id"] == subject]}
        for subject, row in first.items()
    ]


def conversion_count(question: Question) -> Fraction | None:
    """Distinct subjects who took the action in the period, asked or not."""
    rows = [row for row in _steps(question) if question.within(row["converted_at"]) and _step_in_slice(question, row)]
    return Fraction(len({row["subject_id"] for row in rows}))


def time_to_conversion_days(question: Question) -> Fraction | None:
    """How long it took from an offer to the action, or from one lead step to another."""
    stat = question.params.get("stat", "median")
    spans = _action_spans(question) if "action" in question.params else _lead_spans(question)
    if stat == "km_median":
        return _kaplan_meier_median(question, [span for span in spans if question.within(span[0]) and span[2](span[0])])
    ended = [span for span in spans if span[1] is not None and question.within(span[1]) and span[2](span[1])]
    lengths = [elapsed_days(start, end) for start, end, _ in ended if end is not None]
    return statistic([length for length in lengths if length >= 0], stat)


Span = tuple[datetime, datetime | None, Callable[[datetime], bool]]
"""Start, end if it has come, and whether the subject is in the slice at a given moment."""


def _action_spans(question: Question) -> list[Span]:
    return [
        (row["offered_at"], row["converted_at"], lambda _, row=row: _step_in_slice(question, row))  # type: ignore[misc]
        for row in _steps(question)
        if row["offered_at"] is not None
    ]


def _lead_spans(question: Question) -> list[Span]:
    leads = Leads(question)
    spans: list[Span] = []
    for lead in leads.rows:
        start = leads.milestone(lead, question.params.get("from", "lead"))
        if start is not None:
            end = leads.milestone(lead, question.params.get("to", "won"))
            spans.append((start, end, lambda event, lead=lead: leads.in_slice(lead, event)))  # type: ignore[misc]
    return spans


def _kaplan_meier_median(question: Question, spans: list[Span]) -> Fraction | None:
    """The first time at which at most a half is still waiting; those who wait are counted up to `now`."""
    times = []
    for start, end, _ in spans:
        length = elapsed_days(start, end or question.known_until)
        if length >= 0:
            times.append((length, end is not None))
    waiting = Fraction(1)
    for moment in sorted({length for length, event in times if event}):
        at_risk = sum(length >= moment for length, _ in times)
        waiting *= 1 - Fraction(sum(length == moment and event for length, event in times), at_risk)
        if waiting <= Fraction(1, 2):
            return moment
    return None
