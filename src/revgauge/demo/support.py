"""Support tickets, and what customers and colleagues say when they are asked."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from revgauge.demo import stories
from revgauge.demo.clock import NOW, START, add_months, at_work, months, on_working_day, past, weekday_from
from revgauge.demo.market import CURRENCY, Companies
from revgauge.demo.people import Person, Staff
from revgauge.demo.subscriptions import Customer
from revgauge.demo.world import Row, World

_TICKETS_A_MONTH = {"SMB": 0.45, "Mid-Market": 1.05, "Enterprise": 2.3}
_PRIORITIES = {"low": 0.28, "normal": 0.48, "high": 0.18, "urgent": 0.06}
_ANSWER_HOURS = {"low": 9.0, "normal": 4.5, "high": 1.8, "urgent": 0.5}
_SOLVE_HOURS = {"low": 62.0, "normal": 34.0, "high": 15.0, "urgent": 6.0}
_CATEGORIES = {"how to": 0.34, "bug": 0.2, "data import": 0.18, "access": 0.14, "billing": 0.09, "integration": 0.05}
_CHANNELS = {"email": 0.5, "web": 0.28, "chat": 0.18, "phone": 0.04}
_COMMENTS = (
    "",
    "",
    "",
    "Quick and clear.",
    "Had to ask twice.",
    "Took too long.",
    "Very helpful.",
    "Works well for us.",
)


class Support:
    """Answers tickets and sends surveys."""

    def __init__(self, world: World, staff: Staff, companies: Companies, customers: dict[str, Customer]) -> None:
        """Nothing asked yet."""
        self._world, self._staff, self._companies, self._customers = world, staff, companies, customers
        self._chance = world.chance("support")
        self._people: dict[str, list[Row]] = {}

    def serve(self) -> None:
        """Fill `tickets` and all customer surveys."""
        for customer in self._customers.values():
            self._meet(customer)
            for start, end in customer.spans:
                for month in months(max(start, START), min(end or NOW, NOW)):
                    self._month(customer, month, start, end)
                self._onboard(customer, start)
        self._ask_all()
        self._merge()
        for entity, moment in (("tickets", "opened_at"), ("survey_responses", "sent_at")):
            self._world.tables[entity].sort(key=lambda row: row[moment])

    def _meet(self, customer: Customer) -> None:
        """The people at the customer who are asked: one, or three at larger ones."""
        known = [customer.contact] if customer.contact else []
        joined_at = at_work(weekday_from(min(customer.won_on + timedelta(days=10), NOW)), self._chance)
        extra = 0 if customer.segment == "SMB" else 2
        known += [self._companies.employ(customer.account, joined_at) for _ in range(extra) if past(joined_at)]
        self._people[customer.account["account_id"]] = known

    def _month(self, customer: Customer, month: date, start: date, end: date | None) -> None:
        chance = self._chance
        usual = _TICKETS_A_MONTH[customer.segment] * (1.5 - 0.9 * customer.health)
        count = int(usual) + (1 if chance.happens(usual - int(usual)) else 0)
        last = (add_months(month, 1) - month).days - 1
        for _ in range(count):
            day = month + timedelta(days=chance.whole(0, last))
            if day.weekday() >= 5 and not chance.happens(0.25):
                day = weekday_from(day)
            opened_at = datetime.combine(day, datetime.min.time()) + timedelta(
                seconds=chance.whole(7 * 3600, 23 * 3600)
            )
            if past(opened_at) and day >= start and (end is None or day < end):
                self._ticket(customer, opened_at)

    def _ticket(self, customer: Customer, opened_at: datetime) -> None:
        chance, world = self._chance, self._world
        priority = chance.weighted(_PRIORITIES)
        slow = stories.HOLE_FACTOR if stories.HOLE_FROM <= opened_at.date() < stories.HOLE_TO else 1.0
        answered_at = opened_at + timedelta(minutes=int(chance.about(_ANSWER_HOURS[priority] * 60) * slow))
        hours = chance.about(_SOLVE_HOURS[priority]) * slow
        solved_at = on_working_day(answered_at + timedelta(minutes=int(hours * 60)))
        reopens = (1 + chance.happens(0.15)) if chance.happens(0.08) else 0
        first_solved_at = solved_at
        if reopens:
            solved_at = on_working_day(solved_at + timedelta(hours=int(chance.about(40)) + 2))
        region = customer.account["region"]
        agents = ("USD",) if CURRENCY[region] == "USD" else ("EUR",)
        agent = self._staff.next_of("Support", "Support agent", opened_at.date(), agents)
        forgotten = chance.happens(0.004)
        row = world.add(
            "tickets",
            ticket_id=world.key("H"),
            account_id=customer.account["account_id"],
            opened_at=opened_at,
            first_response_at=answered_at if past(answered_at) else None,
            first_resolved_at=first_solved_at if past(first_solved_at) and not forgotten else None,
            resolved_at=solved_at if past(solved_at) and not forgotten else None,
            agent_id=agent.person_id,
            priority=priority if not chance.happens(0.03) else None,
            channel=chance.weighted(_CHANNELS),
            category=chance.weighted(_CATEGORIES),
            messages=2 + int(chance.about(3)) + 3 * reopens,
            reopens=reopens if past(solved_at) else 0,
            paused_minutes=None,
            merged_into=None,
        )
        if row["resolved_at"] and chance.happens(0.4):
            self._ask_about(customer, row, hours / _SOLVE_HOURS[priority])

    def _merge(self) -> None:
        """A few tickets repeat an earlier one of the same customer and were merged into it."""
        before: dict[str, Row] = {}
        for row in self._world.tables["tickets"]:
            earlier = before.get(row["account_id"])
            close = earlier is not None and timedelta(0) < row["opened_at"] - earlier["opened_at"] < timedelta(days=3)
            if earlier is not None and close and earlier["merged_into"] is None and self._chance.happens(0.3):
                row["merged_into"] = earlier["ticket_id"]
            before[row["account_id"]] = row

    # Surveys

    def _ask(
        self, kind: str, sent_at: datetime, scale: tuple[int, int], score: float, odds: float, **values: object
    ) -> None:
        """Send a survey; those who are glad, or angry, answer more often than the others."""
        chance = self._chance
        low, high = scale
        undelivered = chance.happens(0.03)
        extreme = score > 0.85 or score < 0.15
        answered_at = sent_at + timedelta(minutes=int(chance.about(1_500)) + 3)
        answers = not undelivered and past(answered_at) and chance.happens(odds * (1.25 if extreme else 0.9))
        graded = low + int(min(0.999, max(0.0, score)) * (high - low + 1))
        row: Row = {
            "survey_id": self._world.key("V", 6),
            "kind": kind,
            "audience": "customer",
            "account_id": None,
            "contact_id": None,
            "person_id": None,
            "ticket_id": None,
            "initiative_id": None,
            "sent_at": sent_at,
            "undelivered": undelivered,
            "responded_at": answered_at if answers else None,
            "score": graded if answers else None,
            "scale_min": low,
            "scale_max": high,
            "comment": chance.pick(_COMMENTS) or None if answers else None,
            "moment": None,
            **values,
        }
        self._world.tables["survey_responses"].append(row)

    def _who(self, customer: Customer) -> dict[str, object]:
        known = self._people[customer.account["account_id"]]
        contact = self._chance.pick(known)["contact_id"] if known else None
        return {"account_id": customer.account["account_id"], "contact_id": contact}

    def _ask_about(self, customer: Customer, ticket: Row, slowness: float) -> None:
        sent_at = ticket["resolved_at"] + timedelta(minutes=20)
        if past(sent_at):
            score = 0.95 * customer.health + 0.43 - 0.17 * slowness + 0.35 * (self._chance.share() - 0.4)
            self._ask("csat", sent_at, (1, 5), score, 0.38, ticket_id=ticket["ticket_id"], **self._who(customer))

    def _onboard(self, customer: Customer, start: date) -> None:
        """Effort two months after the start; what was understood before and after the training."""
        chance = self._chance
        sent_at = at_work(weekday_from(start + timedelta(days=60)), chance)
        if sent_at.date() >= START and past(sent_at):
            score = 0.25 + 0.7 * customer.health + 0.3 * (chance.share() - 0.5)
            self._ask("ces", sent_at, (1, 7), score, 0.42, **self._who(customer))
        trained_at = at_work(weekday_from(start + timedelta(days=14)), chance)
        if trained_at.date() >= date(2024, 3, 1) and past(trained_at + timedelta(days=8)):
            who, known = self._who(customer), 0.2 + 0.3 * chance.share()
            training = {"initiative_id": "I-onboarding", **who}
            self._ask("understanding", trained_at, (0, 100), known, 0.75, moment="before", **training)
            learnt = min(0.98, known + 0.18 + 0.25 * chance.share())
            self._ask(
                "understanding", trained_at + timedelta(days=7), (0, 100), learnt, 0.62, moment="after", **training
            )

    def _ask_all(self) -> None:
        """Would you recommend us: every March and September, up to two people at each customer."""
        chance = self._chance
        for year in (2023, 2024, 2025):
            for month in (3, 9):
                day = weekday_from(date(year, month, 12))
                for customer in self._customers.values():
                    if any(start <= day and (end is None or end > day) for start, end in customer.spans):
                        for contact in self._people[customer.account["account_id"]][:2]:
                            self._recommend(customer, contact, at_work(day, chance))

    def _recommend(self, customer: Customer, contact: Row, sent_at: datetime) -> None:
        if contact["created_at"] > sent_at:
            return
        leaving = any(
            end is not None and sent_at.date() < end < sent_at.date() + timedelta(days=150) for _, end in customer.spans
        )
        score = 0.36 + 0.66 * customer.health - (0.3 if leaving else 0) + 0.5 * (self._chance.share() - 0.45)
        who = {"account_id": customer.account["account_id"], "contact_id": contact["contact_id"]}
        self._ask("nps", sent_at, (0, 10), score, 0.44, **who)

    def ask_colleagues(self, initiative_id: str, people: list[Person], day: date) -> None:
        """How satisfied colleagues are with something RevOps gave them."""
        for person in people:
            sent_at = at_work(weekday_from(day), self._chance)
            if past(sent_at) and person.works_on(sent_at.date()):
                score = self._chance.between(0.2, 0.8, 1.0)
                inside = {"audience": "internal", "person_id": person.person_id, "initiative_id": initiative_id}
                self._ask("csat", sent_at, (1, 5), score, 0.7, **inside)

    def advocate(self) -> None:
        """Touches after the sale: reviews by service, and customers who speak for us."""
        chance, world = self._chance, self._world
        kinds = {"referral": 0.3, "reference_call": 0.25, "testimonial": 0.15, "case_study": 0.1, "review": 0.2}
        for customer in self._customers.values():
            for start, end in customer.spans:
                for month in months(max(start, START), min(end or NOW, NOW)):
                    for _ in range(chance.whole(0, 1 if customer.segment == "SMB" else 3)):
                        self._service_touch(customer, month, "call" if chance.happens(0.6) else "email", end)
                    if chance.happens(0.05 * customer.health):
                        self._service_touch(customer, month, chance.weighted(kinds), end)
        world.tables["touchpoints"].sort(key=lambda row: (row["occurred_at"], row["touchpoint_id"]))

    def _service_touch(self, customer: Customer, month: date, kind: str, end: date | None) -> None:
        moment = at_work(weekday_from(month + timedelta(days=self._chance.whole(0, 26))), self._chance)
        if not past(moment) or moment.date() < customer.won_on or (end is not None and moment.date() >= end):
            return
        who = self._who(customer)
        self._world.add(
            "touchpoints",
            touchpoint_id=self._world.key("X", 6),
            occurred_at=moment,
            lead_id=None,
            contact_id=who["contact_id"],
            account_id=who["account_id"],
            opportunity_id=None,
            campaign_id=None,
            channel="Customer success",
            department="service",
            kind=kind,
            is_direct=False,
        )
