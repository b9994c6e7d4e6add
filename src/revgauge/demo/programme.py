"""RevOps's own work: initiatives and who uses them, time studies, requests, processes, reports, loads."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from revgauge.demo import stories
from revgauge.demo.clock import NOW, START, add_months, at_work, months, on_working_day, past, quarters, weekday_from
from revgauge.demo.people import Person, Staff
from revgauge.demo.support import Support
from revgauge.demo.tables import table
from revgauge.demo.world import World

# initiative, task, before minutes, after minutes, runs a month before and after, people, hourly cost in dollars
_TASKS = (
    ("I-quote-tool", "make a quote", 55, 18, 62, 70, 1, 62),
    ("I-quote-tool", "have a discount approved", 35, 12, 24, 26, 2, 70),
    ("I-quote-emea", "make a quote", 58, 20, 30, 33, 1, 58),
    ("I-routing", "assign a lead", 6, 1, 150, 190, 1, 38),
    ("I-dunning", "remind of a late bill", 14, 4, 60, 75, 1, 41),
    ("I-warehouse", "prepare the monthly board figures", 960, 240, 1, 1, 2, 64),
    ("I-onboarding", "answer a beginner's question", 22, 17, 110, 130, 1, 44),
    ("I-health", "prepare a customer review", 75, 50, 40, 44, 1, 48),
    ("I-scoring", "sort the new leads", 240, 280, 21, 21, 1, 45),
)

_PROCESSES = (
    # name, standard, minutes a run, hourly cost, automation cost, impact, difficulty, opportunity cost, risk
    ("Make a quote", "STD-quote", 26, 62, 18_000, 5, 3, 4, 4),
    ("Enter a closed deal", "STD-close", 18, 60, 9_000, 3, 2, 3, 4),
    ("Route a lead", "STD-route", 4, 40, 5_000, 4, 2, 4, 3),
    ("Import an event list", "STD-import", 95, 46, 7_500, 2, 2, 2, 3),
    ("Forecast the quarter", "STD-forecast", 210, 72, 26_000, 5, 4, 3, 5),
    ("Reconcile bills and contracts", "STD-bills", 320, 48, 31_000, 4, 4, 2, 5),
    ("Compute commissions", "STD-pay", 540, 66, 22_000, 4, 3, 3, 5),
)
_PROCESS_TEAMS = (
    ("sales", "Mid-Market North America"),
    ("sales", "Mid-Market EMEA"),
    ("sales", "Enterprise North America"),
    ("marketing", "Demand generation"),
    ("finance", "Finance"),
)
_REPORTS = (
    # name, audience, owner role, months covered, day of the month after on which it is due
    ("Board figures", "executive", "Director of revenue operations", 1, 8),
    ("Pipeline review", "sales", "Revenue operations manager", 1, 3),
    ("Marketing funnel", "marketing", "Revenue analyst", 1, 5),
    ("Retention report", "customer success", "Revenue analyst", 1, 6),
    ("Commission statement", "sales", "Revenue operations manager", 3, 10),
    ("Quarterly business review", "executive", "Director of revenue operations", 3, 15),
)
_LOADS = {
    "crm": ("accounts", "contacts", "leads", "opportunities", "opportunity_history", "activities"),
    "billing": ("subscriptions", "subscription_periods", "invoices", "payments"),
    "helpdesk": ("tickets", "survey_responses"),
    "product": ("product_usage",),
    "finance": ("expenses", "exchange_rates"),
}
_REQUEST_KINDS = {"question": 0.38, "access": 0.2, "enhancement": 0.2, "bug": 0.16, "other": 0.06}
_PROMISED_HOURS = {"low": 120, "normal": 48, "high": 16, "urgent": 4}


class Programme:
    """What RevOps plans, delivers, answers and reports."""

    def __init__(self, world: World, staff: Staff, support: Support) -> None:
        """Nothing planned yet."""
        self._world, self._staff, self._support = world, staff, support
        self._chance = world.chance("programme")

    def carry_out(self) -> None:
        """Fill every table of the programme."""
        self._initiate()
        self._adopt()
        self._study()
        self._answer_requests()
        self._describe_processes()
        self._report()
        self._load()

    def _someone(self, role: str, day: date) -> Person:
        """Somebody of the role on the day; the first of the role if nobody was there yet."""
        able = [person for person in self._staff.people if person.role == role and person.works_on(day)]
        return self._chance.pick(able) if able else self._staff.by_role(role)

    def _initiate(self) -> None:
        for line in table("initiatives"):
            role = line.pop("owner_role")
            self._world.add("initiatives", owner_id=self._staff.by_role(role).person_id, **_or_none(line))

    def _adopt(self) -> None:
        """Who should use what, and who does: quickly for the quote tool, slowly for the health score."""
        sellers = self._staff.sellers()
        area = [person for person in sellers if person.team.endswith("North America") or person.currency == "USD"]
        success = [person for person in self._staff.people if person.team == "Customer success"]
        developers = [person for person in self._staff.people if person.team == "Sales development"]
        self._offer("I-quote-tool", area, stories.TOOL_FIRST_ON, 0.94, 12)
        self._offer(
            "I-quote-emea", [person for person in sellers if person not in area], stories.TOOL_ELSEWHERE_ON, 0.92, 10
        )
        self._offer("I-scoring", developers, date(2023, 10, 6), 0.6, 45)
        self._offer("I-routing", developers, date(2025, 1, 14), 1.0, 2)
        self._offer("I-health", success, date(2025, 6, 30), 0.65, 60)
        self._offer("I-forecast", sellers, date(2025, 12, 17), 0.7, 15)
        for initiative_id, people, day in (
            ("I-quote-tool", area, date(2025, 1, 15)),
            ("I-quote-emea", sellers, date(2025, 10, 1)),
            ("I-scoring", developers, date(2024, 1, 10)),
            ("I-health", success, date(2025, 10, 15)),
        ):
            self._support.ask_colleagues(initiative_id, people, day)

    def _offer(self, initiative_id: str, people: list[Person], since: date, share: float, days: int) -> None:
        chance = self._chance
        for person in people:
            eligible_from = max(since, person.hired_on)
            if (person.left_on is not None and person.left_on <= eligible_from) or eligible_from > NOW:
                continue
            first = at_work(weekday_from(eligible_from + timedelta(days=int(chance.about(days)))), chance)
            uses = chance.happens(share) and past(first) and person.works_on(first.date())
            end = min(NOW, person.left_on - timedelta(days=1)) if person.left_on else NOW
            quiet = chance.whole(0, 12) if chance.happens(0.85) else chance.whole(35, 160)
            last = (
                max(first, at_work(weekday_from(max(eligible_from, end - timedelta(days=quiet + 3))), chance))
                if uses
                else None
            )
            self._world.add(
                "adoption",
                initiative_id=initiative_id,
                person_id=person.person_id,
                eligible_from=eligible_from,
                eligible_to=person.left_on,
                first_used_at=first if uses else None,
                last_used_at=last,
            )

    def _study(self) -> None:
        """Two measurements before each roll-out and two after it, and one task that is done only once."""
        chance = self._chance
        delivered = {row["initiative_id"]: row["rolled_out_on"] for row in self._world.tables["initiatives"]}
        for initiative_id, task, before, after, runs_before, runs_after, people, cost in _TASKS:
            rolled_out = date.fromisoformat(delivered[initiative_id])
            for days, moment, minutes, runs in (
                (-70, "before", before, runs_before),
                (-40, "before", before, runs_before),
                (60, "after", after, runs_after),
                (100, "after", after, runs_after),
            ):
                self._measure(
                    initiative_id,
                    task,
                    weekday_from(rolled_out + timedelta(days=days)),
                    moment,
                    minutes + chance.whole(-minutes // 15, minutes // 15),
                    people,
                    cost,
                    runs_per_month=runs,
                )
        for days, moment, minutes in ((-60, "before", 11), (20, "after", 3)):
            day = weekday_from(date(2024, 4, 5) + timedelta(days=days))
            self._measure("I-warehouse", "move an old report", day, moment, minutes * 60, 1, 64, runs_total=38)

    def _measure(
        self, initiative_id: str, task: str, day: date, moment: str, minutes: int, people: int, cost: int, **runs: int
    ) -> None:
        if day <= NOW:
            self._world.add(
                "time_studies",
                initiative_id=initiative_id,
                task=task,
                measured_on=day,
                moment=moment,
                minutes_per_run=minutes,
                runs_per_month=runs.get("runs_per_month"),
                runs_total=runs.get("runs_total"),
                people=people,
                hourly_cost=cost * 100,
                currency="USD",
            )

    def _answer_requests(self) -> None:
        """What colleagues ask of RevOps: about thirty a month, growing with the company."""
        for month in months(START, NOW):
            count = 20 + 5 * (month.year - START.year) + self._chance.whole(0, 8)
            days = (add_months(month, 1) - month).days
            moments = sorted(
                at_work(weekday_from(month + timedelta(days=self._chance.whole(0, days - 3))), self._chance)
                for _ in range(count)
            )
            for moment in moments:
                if past(moment):
                    self._request(moment)

    def _request(self, opened_at: datetime) -> None:
        chance = self._chance
        day = opened_at.date()
        askers = [
            person
            for person in self._staff.people
            if person.works_on(day) and person.department in {"sales", "marketing", "service", "finance"}
        ]
        helpers = [person for person in self._staff.people if person.works_on(day) and person.department == "revops"]
        priority = chance.weighted({"low": 0.3, "normal": 0.46, "high": 0.18, "urgent": 0.06})
        kind = chance.weighted(_REQUEST_KINDS)
        promised = _PROMISED_HOURS[priority]
        answered_at = on_working_day(opened_at + timedelta(minutes=int(chance.about(promised * 9)) + 5))
        resolved_at = on_working_day(answered_at + timedelta(minutes=int(chance.about(promised * 28)) + 10))
        answered, resolved = past(answered_at), past(resolved_at) and not chance.happens(0.015)
        outcome = {"question": "answered", "access": "answered", "bug": "fixed", "other": "answered"}.get(
            kind, "roadmap"
        )
        if chance.happens(0.14):
            outcome = chance.weighted({"declined_explained": 0.55, "declined_unexplained": 0.25, "duplicate": 0.2})
        glad = (
            4.2
            - (1.3 if outcome.startswith("declined") else 0)
            - (0.7 if resolved_at > opened_at + timedelta(hours=promised) else 0)
        )
        self._world.add(
            "requests",
            request_id=self._world.key("Q"),
            requester_id=chance.pick(askers).person_id,
            assignee_id=chance.pick(helpers).person_id,
            kind=kind,
            priority=priority,
            opened_at=opened_at,
            due_at=on_working_day(opened_at + timedelta(hours=promised)),
            first_response_at=answered_at if answered else None,
            resolved_at=resolved_at if resolved else None,
            paused_minutes=int(chance.about(90)) if chance.happens(0.3) else 0,
            outcome=outcome if resolved else None,
            satisfaction=min(5, max(1, int(glad + chance.between(-1.2, 0.4, 1.4))))
            if resolved and chance.happens(0.42)
            else None,
        )

    def _describe_processes(self) -> None:
        chance = self._chance
        for name, standard, minutes, cost, automation, impact, difficulty, opportunity, risk in _PROCESSES:
            for department, team in _PROCESS_TEAMS:
                if not chance.happens(0.7):
                    continue
                follows = chance.happens(0.6)
                self._world.add(
                    "processes",
                    process_id=self._world.key("W", 3),
                    name=name,
                    department=department,
                    team=team,
                    standard_id=standard,
                    follows_standard=follows,
                    is_documented=chance.happens(0.7),
                    is_automated=follows and chance.happens(0.35),
                    runs_per_month=chance.whole(2, 60) if minutes < 200 else chance.whole(1, 3),
                    minutes_per_run=minutes if follows else minutes * chance.whole(105, 170) // 100,
                    people=chance.whole(1, 4),
                    hourly_cost=cost * 100,
                    currency="USD",
                    automation_cost=automation * 100,
                    impact=impact,
                    difficulty=difficulty,
                    opportunity_cost=opportunity,
                    risk=risk,
                )

    def _report(self) -> None:
        """Reports by month or quarter: late more often before the warehouse; a few corrected afterwards."""
        chance = self._chance
        for name, audience, role, span, day in _REPORTS:
            for start in months(START, NOW) if span == 1 else quarters(START, NOW):
                end = add_months(start, span)
                due_on = weekday_from(end + timedelta(days=day - 1))
                if due_on > NOW + timedelta(days=40):
                    continue
                due_at = datetime.combine(due_on, time(17))
                late = chance.happens(0.3 if due_on < date(2024, 4, 5) else 0.08)
                published_at = due_at + timedelta(hours=chance.whole(5, 60) if late else -chance.whole(1, 40))
                corrected_at = published_at + timedelta(hours=chance.whole(8, 90)) if chance.happens(0.06) else None
                self._world.add(
                    "report_runs",
                    report_id=self._world.key("R", 4),
                    name=name,
                    audience=audience,
                    owner_id=self._someone(role, due_on).person_id,
                    period_start=start,
                    period_end=end,
                    due_at=due_at,
                    published_at=published_at if past(published_at) else None,
                    corrected_at=corrected_at if corrected_at and past(corrected_at) else None,
                )

    def _load(self) -> None:
        """The loads of the old tool: every Monday at six, some late, some missing, a few rows refused."""
        chance, world = self._chance, self._world
        day = weekday_from(START)
        while day <= NOW:
            for source, entities in _LOADS.items():
                delay = chance.whole(5, 50) if not chance.happens(0.05) else chance.whole(120, 2_000)
                missing = chance.happens(0.008)
                for number, entity in enumerate(entities):
                    expected_at = datetime.combine(day, time(6))
                    loaded_at = expected_at + timedelta(minutes=delay + number)
                    rows = len(world.tables[entity]) * ((day - START).days + 30) // 1_140
                    loaded = past(loaded_at) and not missing
                    world.add(
                        "source_loads",
                        source=source,
                        entity=entity,
                        expected_at=expected_at,
                        loaded_at=loaded_at if loaded else None,
                        data_through=expected_at - timedelta(hours=6) if loaded else None,
                        rows_read=rows if loaded else None,
                        rows_rejected=(chance.whole(1, 9) if chance.happens(0.1) else 0) if loaded else None,
                    )
            day += timedelta(days=7)


def _or_none(line: dict[str, str]) -> dict[str, str | None]:
    return {name: value or None for name, value in line.items()}
