"""Deals: the stages they go through, the changes on the way, who gets the credit, and the work put into them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from revgauge.demo import stories
from revgauge.demo.campaigns import CHANNELS, Campaigns
from revgauge.demo.clock import NOW, START, at_work, on_working_day, past, weekday_from
from revgauge.demo.market import CURRENCY
from revgauge.demo.people import Person, Staff
from revgauge.demo.world import Row, World


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline."""

    name: str
    probability: str
    expected_days: int
    """Longest time a deal should stay, in the segment where it takes longest."""
    typical_days: dict[str, float]
    """Usual stay by segment; 0: the segment skips the stage."""
    category: str
    lost_here: float = 0
    """Weight with which a deal that is lost is lost in this stage."""
    is_pitch: bool = False


def _days(small: float, middle: float, large: float) -> dict[str, float]:
    return {"SMB": small, "Mid-Market": middle, "Enterprise": large}


NEW_BUSINESS, EXPANSION, RENEWAL = "New business", "Expansion", "Renewal"
WON, LOST = "Closed Won", "Closed Lost"
PIPELINES: dict[str, tuple[Stage, ...]] = {
    NEW_BUSINESS: (
        Stage("Discovery", "0.1", 15, _days(4, 8, 13), "pipeline", 0.3),
        Stage("Solution fit", "0.25", 20, _days(5, 10, 18), "pipeline", 0.27),
        Stage("Proposal", "0.45", 20, _days(6, 12, 17), "best_case", 0.2, is_pitch=True),
        Stage("Security review", "0.6", 21, _days(0, 8, 16), "commit", 0.05),
        Stage("Negotiation", "0.75", 21, _days(6, 11, 18), "commit", 0.18),
    ),
    EXPANSION: (
        Stage("Identified", "0.3", 14, _days(5, 9, 14), "pipeline", 0.5),
        Stage("Proposal", "0.55", 14, _days(4, 7, 11), "best_case", 0.3, is_pitch=True),
        Stage("Negotiation", "0.8", 14, _days(3, 7, 10), "commit", 0.2),
    ),
    RENEWAL: (
        Stage("Upcoming", "0.7", 45, _days(30, 35, 40), "pipeline", 0.2),
        Stage("In discussion", "0.8", 30, _days(14, 18, 26), "best_case", 0.5, is_pitch=True),
        Stage("Negotiation", "0.9", 21, _days(7, 10, 16), "commit", 0.3),
    ),
}
_TYPES = {"new_business": NEW_BUSINESS, "expansion": EXPANSION, "cross_sell": EXPANSION, "renewal": RENEWAL}
_LOSS_REASONS = {
    "price": 26.0,
    "no decision": 25.0,
    "competitor": 22.0,
    "missing feature": 14.0,
    "no budget": 13.0,
}
_EFFORTS = {"SMB": 6, "Mid-Market": 10, "Enterprise": 17}
_EFFORT_KINDS = {"email": 52.0, "call": 27.0, "meeting": 17.0, "dinner": 2.0, "gift": 2.0}
_MINUTES = {
    "email": (3, 8, 20),
    "call": (5, 18, 60),
    "meeting": (25, 45, 120),
    "dinner": (90, 130, 200),
    "gift": (5, 10, 20),
}
_COSTS = {"dinner": (6_000, 16_000, 48_000), "gift": (1_500, 4_500, 15_000)}


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered to whom: all that is known of a deal before it runs."""

    account: Row
    segment: str
    kind: str
    """The `type` of the opportunity."""
    amount: int
    """Cents, the value of the contract over its term, as it is in the end."""
    owner: Person
    is_won: bool
    lead: Row | None = None
    channel: str | None = None
    campaign_id: str | None = None


class Deals:
    """Runs deals from their creation to the close, or to NOW."""

    def __init__(self, world: World, staff: Staff, campaigns: Campaigns) -> None:
        """Fill `stages`; no deal yet."""
        self._world, self._staff, self._campaigns = world, staff, campaigns
        self._chance = world.chance("deals")
        self._work = world.chance("sales work")
        for pipeline, stages in PIPELINES.items():
            for position, stage in enumerate(stages, 1):
                self._define(pipeline, stage.name, position, "open", stage)
            self._define(pipeline, WON, len(stages) + 1, "won")
            self._define(pipeline, LOST, len(stages) + 2, "lost")

    def _define(self, pipeline: str, name: str, position: int, kind: str, stage: Stage | None = None) -> None:
        self._world.add(
            "stages",
            pipeline=pipeline,
            stage=name,
            position=position,
            kind=kind,
            probability=stage.probability if stage else ("1" if kind == "won" else "0"),
            expected_days=stage.expected_days if stage else None,
            is_pitch=stage.is_pitch if stage else False,
        )

    def typical_days(self, kind: str, segment: str) -> float:
        """How many days a deal of that kind usually takes in that segment."""
        return sum(stage.typical_days[segment] for stage in PIPELINES[_TYPES[kind]])

    def run(self, offer: Offer, created_at: datetime, *, closing_on: date | None = None) -> Row:
        """Run a deal from its creation; with `closing_on` its stages are stretched so that it closes on that day.

        A deal that closed before the CRM was introduced is not recorded; one that closes after NOW is still open.
        """
        visits, closed_at = self._path(offer, created_at, closing_on)
        pipeline = _TYPES[offer.kind]
        is_closed = past(closed_at)
        owner, handover = self._handover(offer, created_at, closed_at)
        row: Row = {
            "opportunity_id": self._world.key("O"),
            "account_id": offer.account["account_id"],
            "lead_id": offer.lead["lead_id"] if offer.lead else None,
            "owner_id": owner.person_id,
            "type": offer.kind,
            "amount": offer.amount,
            "currency": CURRENCY[offer.account["region"]],
            "channel": offer.channel,
            "campaign_id": offer.campaign_id,
            "pipeline": pipeline,
            "created_at": created_at,
            "accepted_at": self._accepted(created_at) if offer.kind == "new_business" else created_at,
            "closed_at": closed_at if is_closed else None,
            "is_won": offer.is_won if is_closed else None,
            "loss_reason": self._chance.weighted(_LOSS_REASONS) if is_closed and not offer.is_won else None,
            "duplicate_of": None,
        }
        seen = [(stage, moment) for stage, moment in visits if past(moment)]
        row["pitched_at"] = next((moment for stage, moment in seen if stage.is_pitch), None)
        row["stage"] = (WON if offer.is_won else LOST) if is_closed else seen[-1][0].name
        row["probability"] = ("1" if offer.is_won else "0") if is_closed else seen[-1][0].probability
        history = self._history(offer, row, visits, closed_at)
        if handover is not None and past(handover):
            history.append(self._change(row, handover, owner_id=owner.person_id))
        history[0]["owner_id"] = offer.owner.person_id
        self._look_ahead(row)
        if closed_at.date() >= START:
            self._record(offer, row, history, owner)
        return row

    def _record(self, offer: Offer, row: Row, history: list[Row], owner: Person) -> None:
        tables = self._world.tables
        tables["opportunities"].append(row)
        tables["opportunity_history"].extend(
            sorted(
                (change for change in history if past(change["changed_at"])), key=lambda change: change["changed_at"]
            )
        )
        end = row["closed_at"] or datetime.combine(NOW, row["created_at"].time())
        self._split(offer, row, owner)
        self._put_in_work(offer, row, end)
        self._touch(offer, row, end)

    def _path(
        self, offer: Offer, created_at: datetime, closing_on: date | None
    ) -> tuple[list[tuple[Stage, datetime]], datetime]:
        """The stages with the moment of their entry, and the moment of the close."""
        stages = [stage for stage in PIPELINES[_TYPES[offer.kind]] if self._passes(stage, offer.segment, offer.kind)]
        if not offer.is_won:
            last = self._chance.weighted({number: stage.lost_here for number, stage in enumerate(stages)})
            stages = stages[: last + 1]
        elif offer.kind == "new_business" and self._chance.happens(0.05):
            stages = [*stages, stages[-2], stages[-1]]
        lengths = [self._chance.about(stage.typical_days[offer.segment]) for stage in stages]
        stretch = 1.0 if closing_on is None else (closing_on - created_at.date()).days / sum(lengths)
        visits, moment, day = [], created_at, float((created_at.date() - date.min).days)
        for stage, length in zip(stages, lengths, strict=True):
            visits.append((stage, moment))
            day += length * (stretch * self._pace(stage, offer, moment.date()) if closing_on is None else stretch)
            entry = at_work(weekday_from(date.min + timedelta(days=int(day + 0.001))), self._chance)
            moment = max(entry, moment + timedelta(minutes=self._chance.whole(11, 50)))
        return visits, moment

    def _passes(self, stage: Stage, segment: str, kind: str) -> bool:
        if kind == "new_business" and stage.name == stories.SLOW_STAGE and segment == "Mid-Market":
            return self._chance.happens(0.6)
        return stage.typical_days[segment] > 0

    def _pace(self, stage: Stage, offer: Offer, entered_on: date) -> float:
        """How much longer than usual a visit lasts: the two stories that touch new business."""
        if offer.kind != "new_business":
            return 1.0
        pace = 1.0
        region = offer.account["region"]
        rollout = stories.TOOL_FIRST_ON if region == stories.TOOL_FIRST_REGION else stories.TOOL_ELSEWHERE_ON
        if stage.name in stories.TOOL_STAGES and entered_on >= rollout:
            pace *= stories.TOOL_FACTOR
        if (
            stage.name == stories.SLOW_STAGE
            and offer.segment == stories.SLOW_SEGMENT
            and entered_on >= stories.SLOW_FROM
        ):
            pace *= stories.SLOW_FACTOR
        return pace

    def _accepted(self, created_at: datetime) -> datetime | None:
        if self._chance.happens(0.1):
            return None
        accepted_at = on_working_day(created_at + timedelta(hours=self._chance.whole(1, 60)))
        return accepted_at if past(accepted_at) else None

    def _handover(self, offer: Offer, created_at: datetime, closed_at: datetime) -> tuple[Person, datetime | None]:
        """Who owns the deal in the end, and when it changed hands because the first owner left."""
        owner = offer.owner
        left = owner.left_on
        if left is None or not created_at.date() < left <= closed_at.date() or left > NOW:
            return owner, None
        heirs = [
            person for person in self._staff.team(owner.team, owner.role, left) if person.currency == owner.currency
        ]
        heirs = heirs or self._staff.team(owner.team, owner.role, left)
        return self._chance.pick(heirs), at_work(left, self._chance) - timedelta(hours=5)

    def _change(self, row: Row, changed_at: datetime, **values: object) -> Row:
        return {
            "opportunity_id": row["opportunity_id"],
            "changed_at": changed_at,
            "stage": None,
            "amount": None,
            "currency": None,
            "expected_close_on": None,
            "forecast_category": None,
            "owner_id": None,
            **values,
        }

    def _history(self, offer: Offer, row: Row, visits: list[tuple[Stage, datetime]], closed_at: datetime) -> list[Row]:
        """The changes of stage, amount and expected close; sets the deal's present amount and expected close."""
        amounts = self._amounts(offer, len(visits))
        expected = weekday_from(
            visits[0][1].date() + timedelta(days=int(self.typical_days(offer.kind, offer.segment) * 0.8))
        )
        if offer.kind == "renewal":
            expected = weekday_from(closed_at.date() + timedelta(days=self._chance.whole(-12, 12)))
        history = []
        for number, ((stage, moment), amount) in enumerate(zip(visits, amounts, strict=True)):
            history.append(
                self._change(
                    row,
                    moment,
                    stage=stage.name,
                    amount=amount,
                    currency=row["currency"] if amount is not None else None,
                    expected_close_on=expected if number == 0 else None,
                    forecast_category=stage.category,
                )
            )
            if past(moment):
                row["amount"] = amount if amount is not None or number == 0 else row["amount"]
        expected = self._push(row, history, expected, closed_at)
        row["expected_close_on"] = expected
        if past(closed_at):
            row["amount"], row["expected_close_on"] = offer.amount, closed_at.date()
            history.append(
                self._change(
                    row,
                    closed_at,
                    stage=WON if offer.is_won else LOST,
                    amount=offer.amount,
                    currency=row["currency"],
                    expected_close_on=closed_at.date(),
                    forecast_category="closed" if offer.is_won else "omitted",
                )
            )
        return history

    def _amounts(self, offer: Offer, visits: int) -> list[int | None]:
        """The amount at each stage (None: not changed, or not known yet)."""
        if offer.kind == "renewal":
            return [offer.amount] + [None] * (visits - 1)
        percent = self._chance.pick((100, 100, 104, 108, 115, 85))
        first = offer.amount * percent // 10_000 * 100
        amounts: list[int | None] = [first] + [None] * (visits - 1)
        if visits > 1 and offer.kind == "new_business" and self._chance.happens(0.18):
            amounts[0], amounts[1] = None, first
        if visits > 2:
            amounts[2] = offer.amount if self._chance.happens(0.6) else None
        return amounts

    def _push(self, row: Row, history: list[Row], expected: date, closed_at: datetime) -> date:
        """Move the expected close whenever it passes, as most sellers do; the date that stands at the close, or now."""
        while expected < min(closed_at.date(), NOW) and self._chance.happens(0.9):
            pushed_at = at_work(expected, self._chance)
            if pushed_at <= history[0]["changed_at"]:
                pushed_at = history[0]["changed_at"] + timedelta(hours=1)
            expected = weekday_from(expected + timedelta(days=self._chance.whole(7, 40)))
            history.append(self._change(row, pushed_at, expected_close_on=expected))
        return expected

    def _look_ahead(self, row: Row) -> None:
        """The next step of an open deal: agreed for most, past or missing for some."""
        row["next_step_on"] = None
        if row["closed_at"] is None and self._chance.happens(0.88):
            row["next_step_on"] = NOW + timedelta(days=self._chance.whole(-4, 18))

    def _split(self, offer: Offer, row: Row, owner: Person) -> None:
        if not row["is_won"]:
            return
        day = row["closed_at"].date()
        if offer.kind == "new_business" and self._chance.happens(0.07):
            others = [person for person in self._staff.team(owner.team, owner.role, day) if person is not owner]
            if others:
                self._credit(row, owner, "revenue", "0.6")
                self._credit(row, self._chance.pick(others), "revenue", "0.4")
        if offer.kind == "new_business" and offer.segment == "Enterprise":
            engineer = self._staff.next_of("Solutions", "Solutions engineer", day)
            self._credit(row, engineer, "overlay", "0.25")

    def _credit(self, row: Row, person: Person, kind: str, share: str) -> None:
        self._world.add(
            "opportunity_splits",
            opportunity_id=row["opportunity_id"],
            person_id=person.person_id,
            kind=kind,
            share=share,
        )

    def _put_in_work(self, offer: Offer, row: Row, end: datetime) -> None:
        """Emails, calls, meetings, a dinner now and then; half as many where little is to be won."""
        work = self._work
        usual = _EFFORTS[offer.segment] * (1.0 if offer.kind == "new_business" else 0.45)
        count = int(work.about(usual * (1.0 if offer.is_won else 0.75)))
        first, last = row["created_at"].date(), end.date()
        quiet = row["closed_at"] is None and work.happens(0.15)
        for _ in range(count):
            day = weekday_from(
                first + timedelta(days=work.whole(0, max(0, (last - first).days - (40 if quiet else 1))))
            )
            kind = work.weighted(_EFFORT_KINDS)
            if day <= min(last, NOW):
                self._effort(offer, row, kind, at_work(day, work))

    def _effort(self, offer: Offer, row: Row, kind: str, moment: datetime) -> None:
        if moment <= row["created_at"] or (row["closed_at"] and moment > row["closed_at"]):
            return
        cost = int(self._work.between(*_COSTS[kind])) if kind in _COSTS else None
        self._world.add(
            "activities",
            activity_id=self._world.key("T", 6),
            occurred_at=moment,
            kind=kind,
            opportunity_id=row["opportunity_id"],
            lead_id=None,
            account_id=row["account_id"],
            owner_id=offer.owner.person_id if offer.owner.works_on(moment.date()) else row["owner_id"],
            minutes=int(self._work.between(*_MINUTES[kind])),
            cost=cost,
            currency=row["currency"] if cost is not None else None,
        )

    def _touch(self, offer: Offer, row: Row, end: datetime) -> None:
        """Contacts with the buyer while the deal runs: sales meetings, webinars, events, visits to the site."""
        if offer.kind == "renewal":
            return
        work, first = self._work, row["created_at"]
        for _ in range(work.whole(0, 5 if offer.segment != "SMB" else 3)):
            moment = at_work(weekday_from(first.date() + timedelta(days=work.whole(0, (end - first).days))), work)
            if not first < moment < end:
                continue
            draw = work.share()
            channel = CHANNELS[work.pick(("Webinar", "Events", "Paid search", "Organic search"))]
            direct = draw > 0.88
            sales = draw < 0.45
            self._world.add(
                "touchpoints",
                touchpoint_id=self._world.key("X", 6),
                occurred_at=moment,
                lead_id=None,
                contact_id=None,
                account_id=row["account_id"],
                opportunity_id=row["opportunity_id"],
                campaign_id=None if sales or direct else self._campaigns.running(channel.name, moment.date()),
                channel=None if direct else ("Outbound" if sales else channel.name),
                department="sales" if sales else "marketing",
                kind="meeting" if sales else ("visit" if direct else channel.touch),
                is_direct=direct,
            )
