"""Leads: how they come in, who answers, how far they get, and the companies and deals they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from revgauge.demo import stories
from revgauge.demo.campaigns import CHANNELS, IDLE, Campaigns, Channel
from revgauge.demo.clock import NOW, START, add_months, at_work, months, on_working_day, past, weekday_from
from revgauge.demo.market import REGIONS, SEGMENT_SHARES, Companies
from revgauge.demo.people import Staff
from revgauge.demo.world import Row, World

_LEADS_A_MONTH = {2023: 84, 2024: 104, 2025: 122, 2026: 132}
_SEASON = (96, 104, 112, 106, 102, 96, 84, 80, 108, 116, 110, 86)
"""Percent of a usual month, January to December."""
_WASTE = {"invalid_contact": 30.0, "student": 22.0, "competitor": 14.0, "spam": 22.0, "out_of_territory": 12.0}
_REFUSAL = {"no budget": 34.0, "no need": 30.0, "bad timing": 24.0, "no answer": 12.0}
_FLAG = {True: 0.55, False: 0.3, None: 0.15}


@dataclass(frozen=True, slots=True)
class Ready:
    """A lead that sales accepted: what is known when it is about to buy or to become a deal."""

    lead: Row
    account: Row
    contact: Row
    segment: str
    channel: Channel
    moment: datetime
    """When it converts."""
    on_its_own: bool
    """It buys by itself, without a deal."""
    eagerness: float
    """How likely it is to buy, against the usual."""


class Leads:
    """Brings leads in, month by month."""

    def __init__(self, world: World, staff: Staff, companies: Companies, campaigns: Campaigns) -> None:
        """No lead yet."""
        self._world, self._staff, self._companies, self._campaigns = world, staff, companies, campaigns
        self._chance = world.chance("leads")
        self._known: list[tuple[Row, str]] = []

    def bring(self, convert: Callable[[Ready], None]) -> None:
        """Make all leads from START to NOW in the order of their coming; `convert` is called for those that convert."""
        for month in months(START, NOW):
            days = (add_months(month, 1) - month).days
            count = _LEADS_A_MONTH[month.year] * _SEASON[month.month - 1] // 100 + self._chance.whole(-5, 5)
            channels = [
                CHANNELS[self._chance.weighted({c.name: c.weight for c in CHANNELS.values()})] for _ in range(count)
            ]
            if month >= stories.IDLE_FROM:
                channels += [IDLE] * (stories.IDLE_LEADS_A_MONTH + self._chance.whole(-6, 6))
            comings = sorted(
                ((self._moment(month, days, channel), number) for number, channel in enumerate(channels)),
            )
            for moment, number in comings:
                if past(moment):
                    self._bring(channels[number], moment, convert)

    def _moment(self, month: date, days: int, channel: Channel) -> datetime:
        day = month + timedelta(days=self._chance.whole(0, days - 1))
        if channel.direction == "outbound" or self._chance.happens(0.82):
            moment = at_work(weekday_from(day), self._chance)
            return moment if moment.month == month.month else moment - timedelta(days=4)
        return datetime.combine(day, datetime.min.time()) + timedelta(seconds=self._chance.whole(6 * 3600, 86399))

    def _bring(self, channel: Channel, moment: datetime, convert: Callable[[Ready], None]) -> None:
        chance = self._chance
        region, segment = chance.weighted(REGIONS), chance.weighted(SEGMENT_SHARES)
        idle = channel is IDLE
        chain_of_luck = (0.6, 0.62, 0.72) if not idle else (0.55, 0.5, 0.62)
        steps = 0
        for luck in chain_of_luck:
            if not chance.happens(min(0.95, luck * (0.75 + 0.25 * (channel.quality if not idle else 1)))):
                break
            steps += 1
        potential = channel.quality * (1.0 if steps == 3 else 0.4)
        developer = self._staff.developer(region, moment.date())
        lead = self._world.add(
            "leads",
            lead_id=self._world.key("L"),
            account_id=None,
            contact_id=None,
            created_at=moment,
            direction=channel.direction,
            channel=channel.name,
            campaign_id=self._campaigns.running(channel.name, moment.date()),
            owner_id=developer.person_id,
            qualified_at=None,
            accepted_at=None,
            converted_at=None,
            opportunity_id=None,
            disqualified_at=None,
            disqualified_reason=None,
            has_budget=None,
            has_authority=None,
            has_need=None,
            has_timing=None,
            score=min(100, int(chance.between(5, 25 + 12 * steps + 14 * potential, 100))),
            first_responded_at=None,
            duplicate_of=None,
        )
        answered_at = self._answer(lead, channel, developer.person_id)
        self._touch(lead, channel)
        if steps == 0 or answered_at is None:
            self._give_up(lead, waste=chance.happens(0.45))
        else:
            self._advance(lead, channel, answered_at, steps, (region, segment), convert)
        self._follow(lead, channel)

    def _answer(self, lead: Row, channel: Channel, developer_id: str) -> datetime | None:
        """When somebody first answers; assigns the lead. Outbound leads are answered as they are made."""
        chance, world = self._chance, self._world
        routed_at = lead["created_at"] + timedelta(minutes=chance.about(22 if lead["created_at"].year < 2025 else 9))
        if not past(routed_at):
            return None
        world.add(
            "lead_assignments",
            lead_id=lead["lead_id"],
            person_id=developer_id,
            valid_from=routed_at,
            valid_to=None,
            reason="routing",
        )
        if channel.direction == "outbound":
            answered_at: datetime = routed_at + timedelta(minutes=chance.whole(1, 30))
        elif chance.happens(0.08):
            return None
        else:
            hours = 4.2 if lead["created_at"].year == 2023 else 2.6
            answered_at = on_working_day(
                routed_at + timedelta(minutes=chance.about(hours * 60) * chance.between(0.1, 0.6, 3))
            )
        if not past(answered_at):
            return None
        lead["first_responded_at"] = answered_at
        world.add(
            "activities",
            activity_id=world.key("T", 6),
            occurred_at=answered_at,
            kind="email" if chance.happens(0.7) else "call",
            opportunity_id=None,
            lead_id=lead["lead_id"],
            account_id=None,
            owner_id=developer_id,
            minutes=chance.whole(3, 25),
            cost=None,
            currency=None,
        )
        return answered_at

    def _advance(
        self,
        lead: Row,
        channel: Channel,
        answered_at: datetime,
        steps: int,
        market: tuple[str, str],
        convert: Callable[[Ready], None],
    ) -> None:
        """Take the lead through qualification, acceptance and conversion, as far as it gets."""
        chance = self._chance
        region, segment = market
        qualified_at = on_working_day(answered_at + timedelta(hours=chance.about(50)))
        if not past(qualified_at):
            return
        lead["qualified_at"] = qualified_at
        accepted_at = on_working_day(qualified_at + timedelta(hours=chance.about(60)))
        if not past(accepted_at):
            return
        if steps == 1:
            self._give_up(lead, waste=False)
            return
        if not chance.happens(0.04):
            lead["accepted_at"] = accepted_at
        account, segment = self._company(lead, region, segment, accepted_at)
        contact = self._companies.employ(account, accepted_at)
        lead["account_id"], lead["contact_id"] = account["account_id"], contact["contact_id"]
        for flag in ("has_budget", "has_authority", "has_need", "has_timing"):
            lead[flag] = chance.weighted(_FLAG) if steps == 2 or chance.happens(0.3) else True
        if steps == 2:
            self._give_up(lead, waste=False)
            return
        moment = at_work(weekday_from(accepted_at.date() + timedelta(days=1 + int(chance.about(4)))), chance)
        if past(moment):
            self._hand_over(lead, region, segment, moment)
            on_its_own = segment == "SMB" and chance.happens(0.4) and channel is not IDLE
            convert(Ready(lead, account, contact, segment, channel, moment, on_its_own, channel.quality))

    def _company(self, lead: Row, region: str, segment: str, accepted_at: datetime) -> tuple[Row, str]:
        """The company of the lead: a new one, or one in twelve a company that is known already."""
        if self._known and self._chance.happens(0.08):
            return self._chance.pick(self._known)
        owner = self._staff.seller(segment, region, accepted_at.date())
        account = self._companies.found(accepted_at, segment, region, lead["channel"], owner.person_id)
        self._known.append((account, segment))
        return account, segment

    def _hand_over(self, lead: Row, region: str, segment: str, moment: datetime) -> None:
        """From development to sales; one in twelve goes to a wrong person first."""
        owner = self._staff.seller(segment, region, moment.date())
        current = self._world.tables["lead_assignments"][-1]
        reason = "handoff"
        if self._chance.happens(0.08):
            wrong_at = current["valid_from"] + timedelta(hours=self._chance.whole(2, 30))
            if wrong_at < moment:
                current["valid_to"] = wrong_at
                other = self._staff.developer(region, wrong_at.date())
                current = self._assign(lead, other.person_id, wrong_at, "wrong territory")
        current["valid_to"] = moment
        self._assign(lead, owner.person_id, moment, reason)
        lead["owner_id"] = owner.person_id

    def _assign(self, lead: Row, person_id: str, valid_from: datetime, reason: str) -> Row:
        return self._world.add(
            "lead_assignments",
            lead_id=lead["lead_id"],
            person_id=person_id,
            valid_from=valid_from,
            valid_to=None,
            reason=reason,
        )

    def _give_up(self, lead: Row, *, waste: bool) -> None:
        """Disqualify the lead after a while; some are simply left lying."""
        chance = self._chance
        last = lead["accepted_at"] or lead["qualified_at"] or lead["first_responded_at"] or lead["created_at"]
        moment = on_working_day(last + timedelta(hours=chance.about(30 if waste else 240)))
        if past(moment) and chance.happens(0.85):
            lead["disqualified_at"] = moment
            lead["disqualified_reason"] = chance.weighted(_WASTE if waste else _REFUSAL)

    def _touch(self, lead: Row, channel: Channel) -> None:
        """The first touch, which made the lead."""
        self._add_touch(
            lead, channel, lead["created_at"], direct=channel.name == "Organic search" and self._chance.happens(0.3)
        )

    def _follow(self, lead: Row, channel: Channel) -> None:
        """Touches after the first, and the steps that a lead is offered."""
        chance = self._chance
        end = lead["converted_at"] or lead["disqualified_at"] or lead["created_at"] + timedelta(days=40)
        for _ in range(chance.whole(0, 3) if lead["qualified_at"] else chance.whole(0, 1)):
            moment = lead["created_at"] + (end - lead["created_at"]) * chance.share()
            moment = moment.replace(microsecond=0)
            if past(moment):
                self._add_touch(
                    lead, CHANNELS[chance.pick(("Webinar", "Organic search", "Paid search", "Events"))], moment
                )
        self._offer(lead, channel, "newsletter", 0.35, 0.4 if channel is not IDLE else 0.15)
        if lead["qualified_at"]:
            self._offer(lead, channel, "webinar", 0.5, 0.3)
            self._offer(lead, channel, "demo", 0.8, 0.5 if lead["account_id"] else 0.15)

    def _offer(self, lead: Row, channel: Channel, action: str, offered: float, taken: float) -> None:
        chance = self._chance
        base = lead["created_at"]
        offered_at = base + timedelta(minutes=chance.whole(30, 7_000)) if chance.happens(offered) else None
        converted_at = None
        if chance.happens(taken if offered_at else taken / 6):
            converted_at = (offered_at or base) + timedelta(minutes=int(chance.about(4_000)) + 5)
        moments = [moment for moment in (offered_at, converted_at) if moment is not None]
        if not moments or not past(moments[0]):
            return
        self._world.add(
            "conversions",
            subject_id=lead["lead_id"],
            action=action,
            offered_at=offered_at,
            converted_at=converted_at if converted_at and past(converted_at) else None,
            channel=channel.name,
            campaign_id=lead["campaign_id"],
        )

    def _add_touch(self, lead: Row, channel: Channel, moment: datetime, *, direct: bool = False) -> None:
        self._world.add(
            "touchpoints",
            touchpoint_id=self._world.key("X", 6),
            occurred_at=moment,
            lead_id=lead["lead_id"],
            contact_id=lead["contact_id"],
            account_id=lead["account_id"],
            opportunity_id=None,
            campaign_id=None if direct else self._campaigns.running(channel.name, moment.date()),
            channel=None if direct else channel.name,
            department=channel.department,
            kind=channel.touch,
            is_direct=direct,
        )
