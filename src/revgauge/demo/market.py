"""The market: regions and their currencies, segments and their prices, companies, exchange rates, market sizes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from revgauge.demo.chance import Chance
from revgauge.demo.clock import NOW
from revgauge.demo.people import EUROPE, NORTH_AMERICA, UK
from revgauge.demo.stories import RISE_FROM, RISE_PERCENT
from revgauge.demo.world import Row, World

REGIONS = {NORTH_AMERICA: 0.56, UK: 0.2, EUROPE: 0.24}
CURRENCY = {NORTH_AMERICA: "USD", UK: "GBP", EUROPE: "EUR"}
INDUSTRIES = {
    "Software": 24.0,
    "Financial services": 17.0,
    "Manufacturing": 15.0,
    "Healthcare": 13.0,
    "Retail": 12.0,
    "Logistics": 10.0,
    "Education": 9.0,
}
CORE, FORECAST, CONNECT = "Insight", "Forecast", "Connect"
"""The product and its two add-ons."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the market and how it is sold to."""

    name: str
    plan: str
    seats: tuple[float, float, float]
    """Fewest, most usual and most seats of a first order."""
    employees: tuple[int, int, int]
    win_rate: float
    yearly_churn: float
    """Share of renewals that are lost by a customer of middling health."""
    seat_price: dict[str, int]
    """Cents a seat and month, list price before the rise."""


SEGMENTS = {
    segment.name: segment
    for segment in (
        Segment("SMB", "Starter", (9, 18, 55), (8, 40, 120), 0.33, 0.19, {"USD": 3_200, "GBP": 2_600, "EUR": 2_900}),
        Segment(
            "Mid-Market",
            "Growth",
            (18, 38, 95),
            (120, 350, 1000),
            0.3,
            0.09,
            {"USD": 4_600, "GBP": 3_700, "EUR": 4_200},
        ),
        Segment(
            "Enterprise",
            "Scale",
            (80, 150, 420),
            (1000, 2800, 14000),
            0.24,
            0.06,
            {"USD": 5_400, "GBP": 4_400, "EUR": 5_000},
        ),
    )
}
SEGMENT_SHARES = {"SMB": 0.46, "Mid-Market": 0.37, "Enterprise": 0.17}

_FIRST_HALVES = [
    "Alder",
    "Amber",
    "Arden",
    "Aspen",
    "Beacon",
    "Birch",
    "Bright",
    "Cedar",
    "Cinder",
    "Clear",
    "Cobalt",
    "Copper",
    "Coral",
    "Crest",
    "Delta",
    "Ember",
    "Fair",
    "Falcon",
    "Fern",
    "Flint",
    "Gold",
    "Granite",
    "Harbor",
    "Hazel",
    "High",
    "Iron",
    "Ivory",
    "Juniper",
    "Keen",
    "Lark",
    "Laurel",
    "Linden",
    "Lumen",
    "Maple",
    "Marble",
    "Meadow",
    "Mill",
    "North",
    "Oak",
    "Onyx",
    "Opal",
    "Orchard",
    "Pine",
    "Quarry",
    "Quill",
    "Raven",
    "Ridge",
    "River",
    "Rowan",
    "Sable",
    "Silver",
    "Slate",
    "Solar",
    "Stone",
    "Summit",
    "Swift",
    "Tide",
    "Timber",
    "Vale",
    "Verdant",
    "Walnut",
    "West",
    "Willow",
    "Wind",
]
_SECOND_HALVES = [
    "bridge",
    "brook",
    "crest",
    "dale",
    "field",
    "ford",
    "forge",
    "gate",
    "grove",
    "haven",
    "hill",
    "land",
    "line",
    "mark",
    "mere",
    "path",
    "point",
    "port",
    "reach",
    "ridge",
    "rock",
    "shore",
    "side",
    "spring",
    "stead",
    "stone",
    "view",
    "ward",
    "water",
    "way",
    "wick",
    "wood",
    "works",
    "yard",
]
_ENDINGS = {
    "Software": ("Software", "Systems", "Labs", "Cloud"),
    "Financial services": ("Capital", "Partners", "Insurance", "Finance"),
    "Manufacturing": ("Industries", "Manufacturing", "Tools", "Materials"),
    "Healthcare": ("Health", "Medical", "Care", "Clinics"),
    "Retail": ("Stores", "Retail", "Goods", "Market"),
    "Logistics": ("Logistics", "Freight", "Transport", "Supply"),
    "Education": ("Academy", "Learning", "College", "Institute"),
}
TITLES = (
    "Head of Revenue Operations",
    "VP Sales",
    "Sales Operations Manager",
    "Chief Operating Officer",
    "Finance Director",
    "Data Analyst",
    "Head of Customer Success",
    "IT Manager",
    "Marketing Operations Lead",
    "Chief Financial Officer",
)


class Companies:
    """Makes up companies that do not repeat, and their people."""

    def __init__(self, world: World) -> None:
        """Nobody is known yet."""
        self._world = world
        self._chance = world.chance("companies")
        self._taken: set[str] = set()

    def found(self, created_at: datetime, segment: str, region: str, channel: str, owner_id: str) -> Row:
        """A new company in the CRM, in `accounts`."""
        chance = self._chance
        industry = chance.weighted(INDUSTRIES)
        low, usual, high = SEGMENTS[segment].employees
        return self._world.add(
            "accounts",
            account_id=self._world.key("A"),
            name=self._name(industry),
            parent_account_id=None,
            segment=segment if not chance.happens(0.01) else None,
            industry=industry,
            region=region,
            employee_count=int(chance.between(low, usual, high)),
            owner_id=owner_id,
            channel=channel,
            growth_potential=str(chance.whole(5, 95)) if chance.happens(0.82) else None,
            created_at=created_at,
            duplicate_of=None,
        )

    def employ(self, account: Row, created_at: datetime) -> Row:
        """A new contact at the company, in `contacts`."""
        chance, world = self._chance, self._world
        contact_id = world.key("C")
        domain = account["name"].lower().replace(" ", "-").replace("&", "and")
        return world.add(
            "contacts",
            contact_id=contact_id,
            account_id=account["account_id"],
            email=f"contact{contact_id[2:]}@{domain}.example",
            title=chance.pick(TITLES),
            created_at=created_at,
            duplicate_of=None,
        )

    def _name(self, industry: str) -> str:
        while True:
            first, second = self._chance.pick(_FIRST_HALVES), self._chance.pick(_SECOND_HALVES)
            name = f"{first}{second} {self._chance.pick(_ENDINGS[industry])}"
            if name not in self._taken and first.lower() != second:
                self._taken.add(name)
                return name


def list_price(segment: str, currency: str, day: date) -> int:
    """Cents a seat and month that a new customer is asked on that day."""
    price = SEGMENTS[segment].seat_price[currency]
    raised = segment == "Mid-Market" and day >= RISE_FROM
    return round(price * (100 + RISE_PERCENT) / 100) if raised else price


_ANCHORS = {
    # Dollars for one unit at the turn of each half-year from 2021 on; in between the path is straight with some noise.
    "EUR": (
        "1.2200",
        "1.1850",
        "1.1350",
        "1.0450",
        "1.0690",
        "1.0890",
        "1.1040",
        "1.0720",
        "1.0350",
        "1.1730",
        "1.1700",
    ),
    "GBP": (
        "1.3650",
        "1.3820",
        "1.3510",
        "1.2150",
        "1.2080",
        "1.2700",
        "1.2730",
        "1.2650",
        "1.2510",
        "1.3720",
        "1.3450",
    ),
}
_CHRISTMAS = ((12, 24), (12, 25), (12, 26), (12, 31), (1, 1))


class Rates:
    """Dollars for one unit of a currency, quoted on working days."""

    def __init__(self, world: World) -> None:
        """Fill `exchange_rates` from 2021 on."""
        self._quotes: dict[str, dict[date, Decimal]] = {}
        chance = world.chance("rates")
        for currency, anchors in _ANCHORS.items():
            self._quotes[currency] = dict(_path(anchors, chance))
            for day, rate in self._quotes[currency].items():
                world.add("exchange_rates", currency=currency, quoted_on=day, rate=str(rate))

    def on(self, currency: str, day: date) -> Decimal:
        """The last quote on or before the day; 1 for the dollar."""
        if currency == "USD":
            return Decimal(1)
        quotes = self._quotes[currency]
        while day not in quotes:
            day -= timedelta(days=1)
        return quotes[day]


def _path(anchors: tuple[str, ...], chance: Chance) -> list[tuple[date, Decimal]]:
    quotes = []
    day, first = date(2021, 1, 4), date(2021, 1, 1)
    noise = 0
    while day <= NOW:
        position = (day - first).days / 182.625
        index = min(int(position), len(anchors) - 2)
        low, high = Decimal(anchors[index]), Decimal(anchors[index + 1])
        thousandths = int((position - index) * 1000)
        noise = noise * 9 // 10 + chance.whole(-35, 35)
        if day.weekday() < 5 and (day.month, day.day) not in _CHRISTMAS:
            rate = low + (high - low) * thousandths / 1000 + Decimal(noise) / 10_000
            quotes.append((day, rate.quantize(Decimal("0.0001"))))
        day += timedelta(days=1)
    return quotes


def size_up(world: World) -> None:
    """Fill `markets`: what could be sold in each segment, year by year."""
    sizes = {
        # accounts, addressable dollars a year, dollars the market sold in 2023
        "SMB": (46_000, 190_000_000, 61_000_000),
        "Mid-Market": (9_400, 260_000_000, 88_000_000),
        "Enterprise": (1_900, 310_000_000, 127_000_000),
    }
    for year in range(2021, 2027):
        for segment, (accounts, addressable, sold) in sizes.items():
            growth = Decimal("1.11") ** (year - 2023)
            world.add(
                "markets",
                segment=segment,
                year=year,
                addressable_accounts=int(accounts * Decimal("1.03") ** (year - 2023)),
                addressable_revenue=int(addressable * Decimal("1.05") ** (year - 2023)) * 100,
                market_revenue=int(sold * growth) * 100,
                currency="USD",
            )
