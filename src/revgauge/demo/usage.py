"""How much customers use the product, weekday by weekday; those who leave use it less and less before."""

from __future__ import annotations

from datetime import date, timedelta

from revgauge.demo.clock import NOW, START
from revgauge.demo.subscriptions import Customer
from revgauge.demo.world import World

FADING_DAYS = 110
"""How long before its end the use of a customer who leaves begins to fade."""
_FEATURES = {"SMB": 7, "Mid-Market": 11, "Enterprise": 16}


def use(world: World, customers: dict[str, Customer]) -> None:
    """Fill `product_usage`."""
    for customer in customers.values():
        for start, end in customer.spans:
            _use(world, customer, max(start, START), end)


def _use(world: World, customer: Customer, day: date, end: date | None) -> None:
    chance, rows = world.chance("usage"), world.tables["product_usage"]
    account_id, seats = customer.account["account_id"], 0
    changes = sorted(customer.seats)
    gone = (end - date.min).days if end is not None and end <= NOW else None
    last = min(end, NOW + timedelta(days=1)) if end is not None else NOW + timedelta(days=1)
    engaged = 0.28 + 0.5 * customer.health
    idle = {"SMB": 0.3, "Mid-Market": 0.06, "Enterprise": 0.0}[customer.segment]
    position, ordinal = 0, (day - date.min).days
    features = _FEATURES[customer.segment]
    while day < last:
        while position < len(changes) and changes[position][0] <= day:
            seats = changes[position][1]
            position += 1
        share = engaged
        if gone is not None and gone - ordinal < FADING_DAYS:
            share *= 0.12 + 0.88 * (gone - ordinal) / FADING_DAYS
        if day.weekday() < 5 and not chance.happens(idle):
            active = min(seats, int(seats * share * (0.8 + 0.4 * chance.share()) + 0.5))
            if active:
                rows.append(
                    {
                        "account_id": account_id,
                        "used_on": day,
                        "active_users": active,
                        "licensed_users": seats,
                        "events": active * chance.whole(6, 26),
                        "features_used": min(features, 1 + int(active * chance.share())),
                    }
                )
        day += timedelta(days=1)
        ordinal += 1
