"""Marketing: channels, what they cost, and the campaigns on them, quarter by quarter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from revgauge.demo.clock import NOW, START, add_months, quarters
from revgauge.demo.stories import IDLE_CHANNEL, IDLE_COST_A_MONTH, IDLE_FROM
from revgauge.demo.world import World


@dataclass(frozen=True, slots=True)
class Channel:
    """A way by which leads come."""

    name: str
    department: str
    direction: str
    weight: float
    """Its share of the leads."""
    touch: str
    """The kind of its first touch."""
    quality: float
    """How much likelier than usual its leads become customers."""
    monthly_cost: int
    """Cents a month at the start of 2023, the currency being the dollar; 0: no advertising."""


CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("Organic search", "marketing", "inbound", 21, "visit", 1.1, 0),
        Channel("Paid search", "marketing", "inbound", 18, "visit", 0.9, 1_150_000),
        Channel("Paid social", "marketing", "inbound", 11, "social", 0.75, 620_000),
        Channel("Webinar", "marketing", "inbound", 13, "webinar", 1.0, 210_000),
        Channel("Events", "marketing", "inbound", 8, "event", 1.15, 780_000),
        Channel("Referral", "service", "inbound", 6, "referral", 1.6, 0),
        Channel("Partner", "sales", "inbound", 5, "meeting", 1.4, 150_000),
        Channel("Outbound", "sales", "outbound", 18, "email", 0.8, 0),
    )
}
IDLE = Channel(IDLE_CHANNEL, "marketing", "inbound", 0, "visit", 0.1, IDLE_COST_A_MONTH)


def channel_called(name: str) -> Channel:
    """The channel of that name, the idle one included."""
    return IDLE if name == IDLE.name else CHANNELS[name]


def monthly_cost(channel: Channel, month: date) -> int:
    """Cents that the channel costs in that month: budgets grow by 15 % a year, events double in May and October."""
    if channel is IDLE:
        return channel.monthly_cost if month >= IDLE_FROM else 0
    grown = channel.monthly_cost * (100 + 15 * (month.year - START.year)) // 100
    return grown * 2 if channel.name == "Events" and month.month in {5, 10} else grown


class Campaigns:
    """The campaigns, and which one runs on a channel on a day."""

    def __init__(self, world: World) -> None:
        """Fill `campaigns`: one for each channel that costs money, and each quarter."""
        self._ids: dict[tuple[str, date], str] = {}
        for channel in (*CHANNELS.values(), IDLE):
            for quarter in quarters(START, NOW):
                self._plan(world, channel, quarter)

    def _plan(self, world: World, channel: Channel, quarter: date) -> None:
        start = max(quarter, IDLE_FROM) if channel is IDLE else quarter
        end = add_months(quarter, 3)
        cost = sum(monthly_cost(channel, add_months(quarter, number)) for number in range(3))
        if cost == 0 or start >= end:
            return
        campaign_id = world.key("M", 3)
        self._ids[channel.name, quarter] = campaign_id
        world.add(
            "campaigns",
            campaign_id=campaign_id,
            name=f"{channel.name} {quarter.year} Q{(quarter.month + 2) // 3}",
            channel=channel.name,
            department=channel.department,
            started_on=start,
            ended_on=end,
            budget=cost * 105 // 100 // 10_000 * 10_000,
            currency="USD",
        )

    def running(self, channel: str, day: date) -> str | None:
        """The campaign of that channel on that day, if the channel has any."""
        return self._ids.get((channel, date(day.year, (day.month - 1) // 3 * 3 + 1, 1)))
