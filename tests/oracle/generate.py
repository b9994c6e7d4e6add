"""Small, nasty worlds drawn from a seed, for comparing the product with the reference calculation.

A world is a dict of entity to rows of canonical text values, as a case folder holds them. It mixes what real exports
contain: rows loaded twice, overlaps, same-day ends, trials, free plans, discount lines, currencies without a quote,
merged records, milestones out of order, reopened deals. Days cluster around the ends of months and around `now`.

Some things are left out on purpose, because the standard does not settle them and a difference would say nothing: a
discount, trial or free row, or a contract worth nothing, in a currency whose rate is missing; a discount in an account
that pays in two currencies; a row without a day inside a longer row of the same subscription; two changes of a deal at
one instant; loops of merges with more than one member; an account that is credited more than billed in a month.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from revgauge.model.entities import ENTITIES

from .periods import DAY, add_months

Rows = list[dict[str, str]]
World = dict[str, Rows]

FIRST_MONTH = date(2024, 1, 1)
NOWS = ("2025-03-15", "2025-03-31", "2025-04-01", "2025-02-28", "2024-12-31", "2025-05-01")
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney")
REPORTING_CURRENCY = "USD"
CLOCKS = ((0, 0, 0), (0, 0, 0), (3, 59, 59), (4, 0, 0), (5, 0, 0), (12, 30, 0), (18, 30, 0), (23, 59, 59))
"""Times of day in UTC: at, just before and well away from midnight in one of the zones."""


def now_of(seed: int) -> str:
    """The last day that counts in the world of this seed."""
    return NOWS[seed % len(NOWS)]


def zone_of(seed: int) -> str:
    """The reporting time zone of the world of this seed."""
    return ZONES[seed // len(NOWS) % len(ZONES)]


@dataclass
class Dice:
    """Random choices around one `now`."""

    seed: int
    random: Random = field(init=False)
    now: date = field(init=False)
    pool: list[date] = field(init=False)

    def __post_init__(self) -> None:
        """Collect the days at which things tend to go wrong."""
        self.random = Random(self.seed)
        self.now = date.fromisoformat(now_of(self.seed))
        self.pool = [self.now + n * DAY for n in (-32, -31, -7, -2, -1, 0, 0, 1, 1, 2, 20)]
        month = FIRST_MONTH
        recent = add_months(self.now.replace(day=1), -4)
        while month <= self.now:
            self.pool += [month - DAY, month, month, month + DAY, month + 14 * DAY] * (3 if month >= recent else 1)
            month = add_months(month, 1)

    def maybe(self, chance: float) -> bool:
        """Yes with that chance."""
        return self.random.random() < chance

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        return self.random.choice(options)

    def day(self) -> date:
        """Mostly a day of the pool, sometimes any."""
        if self.maybe(0.75):
            return self.pick(self.pool)  # type: ignore[no-any-return]
        return FIRST_MONTH + self.random.randrange((self.now - FIRST_MONTH).days + 10) * DAY

    def instant(self, after: datetime | None = None) -> datetime:
        """A UTC instant at or near a midnight somewhere; with `after`, some time after it."""
        if after is not None and self.maybe(0.7):
            hours = self.pick((0, 1, 12, 24, 24 * 7, 24 * 14, 24 * 14, 24 * 30, 24 * 31, 24 * 90))
            return after + timedelta(hours=hours) + timedelta(seconds=self.pick((0, 0, 0, 1, 3600)))
        clock = self.pick(CLOCKS)
        day = self.day()
        return datetime(day.year, day.month, day.day, *clock)  # noqa: DTZ001 -- written out as UTC below

    def words(self, count: int, prefix: str) -> list[str]:
        """Numbered names, from 1."""
        return [f"{prefix}{n}" for n in range(1, count + 1)]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def _row(**values: Any) -> dict[str, str]:
    return {name: _text(value) for name, value in values.items()}


# --- accounts, people, rates: shared by both worlds ------------------------------------------------------------------


def _accounts(dice: Dice, names: list[str]) -> Rows:
    """Accounts with merges (also in chains and with themselves) and groups (also in chains)."""
    rows = []
    merged: list[str] = []
    for number, name in enumerate(names):
        older = [other for other in names[:number] if other not in merged]
        duplicate_of = dice.pick(names[:number]) if older and dice.maybe(0.2) else None
        if dice.maybe(0.03):
            duplicate_of = name
        if duplicate_of:
            merged.append(name)
        rows.append(
            _row(
                account_id=name,
                name=f"Account {name}",
                parent_account_id=dice.pick(older) if older and dice.maybe(0.25) else None,
                segment=dice.pick(("smb", "ent", None)),
                region=dice.pick(("north", "south", None)),
                industry=dice.pick(("food", "steel")),
                channel=dice.pick(("web", "partner", None)),
                owner_id=dice.pick(("p1", "p2", None)),
                duplicate_of=duplicate_of,
            )
        )
    return rows


def _exchange_rates(dice: Dice) -> Rows:
    """Euros are quoted from the beginning, pounds from late 2024 on, Swiss francs never; one quote is of the future."""
    rows = [_row(currency="EUR", quoted_on="2023-12-31", rate="1.1")]
    for currency, first in (("EUR", date(2024, 1, 1)), ("GBP", date(2024, 10, 15))):
        days = {dice.day() for _ in range(6)} | {dice.now, dice.now + DAY}
        rows += [
            _row(currency=currency, quoted_on=day, rate=f"1.{dice.random.randrange(40):02d}")
            for day in sorted(days)
            if day >= first
        ]
    return rows


def _shuffled(dice: Dice, world: World) -> World:
    """The same world with every table in another order: nothing may depend on it."""
    for rows in world.values():
        dice.random.shuffle(rows)
    return world


# --- subscriptions ---------------------------------------------------------------------------------------------------


def subscription_world(seed: int) -> World:
    """Accounts and what they subscribe to, with contracts, invoices and product usage."""
    dice = Dice(seed)
    names = dice.words(dice.random.randrange(4, 11), "A")
    world: World = {
        "accounts": _accounts(dice, names),
        "exchange_rates": _exchange_rates(dice),
        "subscriptions": [],
        "subscription_periods": [],
        "contracts": [],
        "invoices": [],
        "product_usage": [],
    }
    stranger = ["Z"] if dice.maybe(0.3) else []
    for account_id in [*names, *stranger]:
        _subscriptions(dice, world, account_id)
        _contracts(dice, world, account_id)
        _invoices(dice, world, account_id)
        _usage(dice, world, account_id)
    return _shuffled(dice, world)


def _subscriptions(dice: Dice, world: World, account_id: str) -> None:
    main = dice.pick(("USD", "USD", "EUR") if dice.seed % 3 else ("USD", "USD", "USD", "EUR", "EUR", "GBP", "CHF"))
    plain = main in {"USD", "EUR"}
    mixed = plain and dice.maybe(0.2)
    for number in range(dice.pick((0, 1, 2, 2, 3, 4))):
        subscription_id = f"{account_id}-s{number + 1}"
        currency = dice.pick(("USD", "EUR")) if mixed else main
        discount = plain and not mixed and number > 0 and dice.maybe(0.3)
        periods = _periods(dice, plain=plain, discount=discount)
        first = min(start for start, *_ in periods)
        ended_on = dice.pick((first, dice.day(), dice.day(), dice.now + DAY)) if dice.maybe(0.25) else None
        if dice.maybe(0.95):
            world["subscriptions"].append(
                _row(
                    subscription_id=subscription_id,
                    account_id=account_id,
                    product=dice.pick(("core", "core", "insights", None)),
                    plan=dice.pick(("basic", "pro")),
                    started_on=first,
                    ended_on=ended_on if ended_on is None or ended_on >= first else None,
                    cancel_reason=dice.pick(("price", "no_value", None)),
                )
            )
        for start, end, mrr, quantity, trial in periods:
            row = _row(
                subscription_id=subscription_id,
                account_id=account_id,
                valid_from=start,
                valid_to=end,
                mrr=mrr,
                currency=currency,
                quantity=quantity,
                is_trial=trial,
            )
            world["subscription_periods"] += [row, dict(row)] if dice.maybe(0.1) else [row]


Stay = tuple[date, date | None, str, int | None, bool | None]


def _periods(dice: Dice, *, plain: bool, discount: bool) -> list[Stay]:
    """The rows of one subscription: they follow each other, leave gaps, overlap, or have no day at all."""
    start = dice.day()
    seats = dice.random.randrange(1, 12)
    price = dice.pick((5, 10, 12.5, 33.33))
    stays: list[Stay] = []
    trial_first = plain and dice.maybe(0.2)
    for number in range(dice.pick((1, 1, 2, 3, 4))):
        kind = dice.pick(("open", "end", "end", "next"))
        length = dice.pick((1, 3, 14, 30, 31, 59, 90, 200)) * DAY
        end = None if kind == "open" else start + length
        mrr = f"{seats * price:.2f}"
        if discount:
            mrr = f"-{dice.pick((5, 20, 60, 500))}"
        elif plain and dice.maybe(0.1):
            mrr = "0"
        quantity = None if dice.maybe(0.12) else seats
        trial = True if trial_first and number == 0 and not discount else dice.pick((None, False))
        stays.append((start, end, mrr, quantity, trial))
        if kind == "open" and dice.maybe(0.5):
            break
        gap = dice.pick((0, 0, 0, 1, 3, 40)) * DAY
        start += dice.pick((length + gap, length + gap, length + gap, length // 2, 0 * DAY))
        seats = max(0, seats + dice.pick((-3, 0, 0, 2, 5)))
        price = dice.pick((price, price, price * 1.1, price * 0.8))
    last_start, last_end, *_ = max(stays, key=lambda stay: stay[0])
    if last_end is not None and dice.maybe(0.15):
        without_day = max([last_start, *(end for _, end, *_ in stays if end is not None)])
        if all(end is not None for _, end, *_ in stays):
            stays.append((without_day, without_day, "7", 1, None))
    return _settled(dice, stays)


def _settled(dice: Dice, stays: list[Stay]) -> list[Stay]:
    """The same rows, but of those that start together none is a trial and none ends after `now`.

    Which of them counts would depend on whether an end that has not happened still sorts them.
    """
    starts = [start for start, *_ in stays]
    settled = []
    for start, end, mrr, quantity, trial in stays:
        alone = starts.count(start) == 1
        happened = alone or end is None or end <= dice.now
        settled.append((start, end if happened else None, mrr, quantity, trial if alone else None))
    return settled


def _contracts(dice: Dice, world: World, account_id: str) -> None:
    for number in range(dice.pick((0, 0, 1, 2))):
        starts_on = dice.day()
        ends_on = dice.pick((add_months(starts_on, 12), add_months(starts_on, 1), starts_on + 15 * DAY))
        ends_on = dice.pick((ends_on, ends_on, add_months(starts_on, 18) + 10 * DAY))
        value = dice.pick((0, 1200, 999.99))
        world["contracts"].append(
            _row(
                contract_id=f"{account_id}-k{number + 1}",
                account_id=account_id,
                signed_at=f"{starts_on}T00:00:00Z",
                starts_on=starts_on,
                ends_on=ends_on,
                value=value,
                currency=dice.pick(("USD", "EUR", "EUR", "GBP")) if value else "USD",
            )
        )


def _invoices(dice: Dice, world: World, account_id: str) -> None:
    """Bills, some of them credited on the same day, in part or in full, by a credit note or a negative bill."""
    for number in range(dice.random.randrange(5)):
        issued_on, currency = dice.day(), dice.pick(("USD", "USD", "EUR"))
        bills = [("100", "invoice")]
        bills += dice.pick(([], [], [("50", "credit_note")], [("100", "credit_note")], [("-50", "invoice")]))
        for part, (amount, kind) in enumerate(bills):
            world["invoices"].append(
                _row(
                    invoice_id=f"{account_id}-i{number + 1}{'ab'[part]}",
                    account_id=account_id,
                    issued_on=issued_on,
                    due_on=issued_on + 30 * DAY,
                    amount=amount,
                    currency=currency,
                    kind=kind,
                )
            )


def _usage(dice: Dice, world: World, account_id: str) -> None:
    for day in sorted({dice.day() for _ in range(dice.random.randrange(6))}):
        world["product_usage"].append(
            _row(account_id=account_id, used_on=day, active_users=dice.random.randrange(9), licensed_users=10)
        )


# --- leads, deals, conversions ---------------------------------------------------------------------------------------

STAGES = (
    ("default", "discovery", 1, "open", "0.1", False),
    ("default", "demo", 2, "open", "0.3", True),
    ("default", "proposal", 3, "open", "0.6", False),
    ("default", "closed_won", 4, "won", "1", False),
    ("default", "closed_lost", 5, "lost", "0", False),
    ("partner", "intro", 1, "open", "0.2", False),
    ("partner", "proposal", 2, "open", "0.5", True),
    ("partner", "signed", 3, "won", "1", False),
)


def sales_world(seed: int) -> World:
    """Leads, opportunities with their history, assignments, conversions and first subscriptions."""
    dice = Dice(seed)
    names = dice.words(dice.random.randrange(3, 7), "A")
    leads = dice.words(dice.random.randrange(8, 24), "L")
    deals = dice.words(dice.random.randrange(6, 22), "O")
    world: World = {
        "accounts": _accounts(dice, names),
        "exchange_rates": _exchange_rates(dice),
        "people": [
            _row(person_id="p1", team="east", role="ae", department="sales", hired_on="2023-01-01"),
            _row(person_id="p2", team="west", role="ae", department="sales", hired_on="2023-01-01"),
            _row(person_id="p3", team=None, role="sdr", department="marketing", hired_on="2024-02-01"),
        ],
        "stages": [
            _row(
                pipeline=pipeline,
                stage=stage,
                position=position,
                kind=kind,
                probability=probability,
                expected_days=14 if kind == "open" else None,
                is_pitch=is_pitch,
            )
            for pipeline, stage, position, kind, probability, is_pitch in STAGES
        ],
        "leads": [],
        "lead_assignments": [],
        "opportunities": [],
        "opportunity_history": [],
        "conversions": [],
        "subscriptions": [],
    }
    for number, lead_id in enumerate(leads):
        world["leads"].append(_lead(dice, lead_id, names, leads[:number], deals))
    for row in world["leads"]:
        if not row["duplicate_of"]:
            _assignments(dice, world, row)
    for number, opportunity_id in enumerate(deals):
        _opportunity(dice, world, opportunity_id, names, leads, deals[:number])
    for name in names:
        for number in range(dice.pick((0, 0, 1, 2))):
            world["subscriptions"].append(
                _row(
                    subscription_id=f"{name}-s{number + 1}",
                    account_id=name,
                    product="core",
                    plan="basic",
                    started_on=dice.pick((dice.day(), dice.now, dice.now + DAY)),
                )
            )
    _conversions(dice, world)
    return _shuffled(dice, world)


def _lead(dice: Dice, lead_id: str, names: list[str], older: list[str], deals: list[str]) -> dict[str, str]:
    created_at = dice.instant()
    return _row(
        lead_id=lead_id,
        account_id=dice.pick([*names, None]),
        created_at=created_at,
        direction=dice.pick(("inbound", "outbound")),
        channel=dice.pick(("web", "event", None)),
        campaign_id=dice.pick(("c1", None)),
        owner_id=dice.pick(("p1", "p2", "p3", None)),
        qualified_at=dice.instant(created_at) if dice.maybe(0.6) else None,
        accepted_at=dice.instant(created_at) if dice.maybe(0.4) else None,
        converted_at=dice.instant(created_at) if dice.maybe(0.4) else None,
        opportunity_id=dice.pick([*deals, "O99"]) if dice.maybe(0.3) else None,
        has_budget=dice.pick((True, True, False, None)),
        has_authority=dice.pick((True, True, None)),
        has_need=dice.pick((True, True, False)),
        has_timing=dice.pick((True, True, None)),
        duplicate_of=dice.pick(older) if older and dice.maybe(0.2) else None,
    )


def _assignments(dice: Dice, world: World, lead: dict[str, str]) -> None:
    if not dice.maybe(0.5):
        return
    start = datetime.fromisoformat(lead["created_at"].rstrip("Z")) + dice.pick((0, 0, 1, 48)) * timedelta(hours=1)
    for _ in range(dice.pick((1, 1, 2, 3))):
        end = start + dice.pick((1, 3, 14, 30)) * DAY
        last = dice.maybe(0.4)
        world["lead_assignments"].append(
            _row(
                lead_id=lead["lead_id"],
                person_id=dice.pick(("p1", "p2", "p3")),
                valid_from=start,
                valid_to=None if last else end,
                reason=dice.pick(("handoff", None)),
            )
        )
        if last:
            return
        start = end + dice.pick((0, 0, 1)) * DAY


def _opportunity(
    dice: Dice, world: World, opportunity_id: str, names: list[str], leads: list[str], older: list[str]
) -> None:
    created_at = dice.instant()
    outcome = dice.pick(("open", "won", "won", "lost"))
    closed_at = None if outcome == "open" else created_at + dice.pick((0, 1, 10, 30, 31, 60.5, 200)) * DAY
    if closed_at is not None and dice.maybe(0.05):
        closed_at = created_at - DAY
    currency = dice.pick(("USD", "USD", "EUR") if dice.seed % 3 else ("USD", "EUR", "GBP", "CHF"))
    pipeline = dice.pick((None, "default", "partner"))
    world["opportunities"].append(
        _row(
            opportunity_id=opportunity_id,
            account_id=dice.pick([*names, None]),
            lead_id=dice.pick(leads) if dice.maybe(0.5) else None,
            owner_id=dice.pick(("p1", "p2", "p3", None)),
            type=dice.pick(("new_business", "new_business", "expansion", "cross_sell", "renewal", None)),
            stage="discovery",
            amount=None if dice.maybe(0.12) else dice.pick((0, 1000, 2500.5, 9999.99)),
            currency=currency,
            channel=dice.pick(("web", "event", None)),
            campaign_id=dice.pick(("c1", None)),
            pipeline=pipeline,
            created_at=created_at,
            accepted_at=dice.instant(created_at) if dice.maybe(0.5) else None,
            pitched_at=dice.instant(created_at) if dice.maybe(0.2) else None,
            expected_close_on=None if dice.maybe(0.2) else dice.day(),
            closed_at=closed_at,
            is_won=None if outcome == "open" else outcome == "won",
            loss_reason=dice.pick(("price", "duplicate", "test", None)) if outcome == "lost" else None,
            duplicate_of=dice.pick(older) if older and dice.maybe(0.1) else None,
        )
    )
    if dice.maybe(0.8):
        _history(dice, world, opportunity_id, created_at, closed_at, "partner" if pipeline == "partner" else "default")


def _history(
    dice: Dice, world: World, opportunity_id: str, created_at: datetime, closed_at: datetime | None, pipeline: str
) -> None:
    """Changes of a deal at distinct instants: stages forward, backward and unknown, amounts, owners, dates."""
    names = [stage for of, stage, *_ in STAGES if of == pipeline] + ["no_such_stage"]
    limit = closed_at or created_at + 300 * DAY
    moment = created_at + dice.pick((0, 0, 0, 1, 24)) * timedelta(hours=1)
    for _ in range(dice.random.randrange(1, 7)):
        if moment > limit:
            return
        amount = dice.pick((None, None, 800, 1500, 3000))
        world["opportunity_history"].append(
            _row(
                opportunity_id=opportunity_id,
                changed_at=moment,
                stage=dice.pick([*names[:3], *names, None]),
                amount=amount,
                currency=None if amount is None else dice.pick(("USD", "USD", "EUR", None)),
                expected_close_on=dice.day() if dice.maybe(0.3) else None,
                owner_id=dice.pick((None, None, "p1", "p2", "p3")),
            )
        )
        moment += dice.pick((1, 5, 14, 30, 31)) * DAY + dice.pick((0, 0, 1)) * timedelta(hours=7)


def _conversions(dice: Dice, world: World) -> None:
    for subject in dice.words(dice.random.randrange(4, 20), "v"):
        action, channel = dice.pick(("demo", "demo", "webinar")), dice.pick(("web", "email", None))
        if dice.maybe(0.3):
            offered, taken = dice.pick(((None, dice.instant()), (dice.instant(), dice.instant())))
            offers = [(offered, taken)]
        else:
            moments = sorted({dice.instant() for _ in range(dice.pick((1, 1, 2, 3)))})
            offers = [(m, dice.instant(m) if dice.maybe(0.5) else None) for m in moments]
            offers = [(m, taken if taken is None or taken >= m else None) for m, taken in offers]
        for offered_at, converted_at in offers:
            world["conversions"].append(
                _row(
                    subject_id=subject,
                    action=action,
                    offered_at=offered_at,
                    converted_at=converted_at,
                    channel=channel,
                    campaign_id="c1",
                )
            )


# --- questions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One check without its value."""

    metric: str
    params: dict[str, Any]
    grain: str
    period: str | None
    by: dict[str, str]


def _periods_around(now: date) -> list[tuple[str, str | None]]:
    """The month of `now`, some before and the one after, quarters, years, everything."""
    months = [add_months(now.replace(day=1), n) for n in (0, 0, -1, -1, -2, -3, 1)]
    before = add_months(now, -3)
    return [
        *(("month", f"{month:%Y-%m}") for month in months),
        *(("quarter", f"{day.year}-Q{(day.month + 2) // 3}") for day in (now, now, before)),
        *(("year", str(year)) for year in (2024, 2024, now.year)),
        ("all", None),
    ]


_MOVED: list[dict[str, Any]] = [{}, {"netting": "period"}, {"level": "parent"}, {"gap_days": 3}]
_STAYED: list[dict[str, Any]] = [
    {},
    {"window_months": 1},
    {"window_months": 3, "fx": "spot"},
    {"window_months": 6, "method": "movements"},
    {"window_months": 3, "level": "parent", "gap_days": 5},
]
_COHORTS: list[dict[str, Any]] = [
    {"cohort": "2024-02", "age": 0},
    {"cohort": "2024-02", "age": 3},
    {"cohort": "2024-Q3", "age": 1},
    {"cohort": "2024", "age": 0},
    {"cohort": "2024", "age": 1},
]
_WINDOWED: list[dict[str, Any]] = [
    {},
    {"window_days": 14},
    {"window_days": 30},
    {"basis": "flow"},
    {"direction": "inbound"},
]

SUBSCRIPTION_PARAMS: dict[str, list[dict[str, Any]]] = {
    "mrr": [
        {},
        {"level": "parent", "gap_days": 3},
        {"fx": "constant", "fx_on": "2024-11-30"},
        {"basis": "contract"},
        {"basis": "arpu_users"},
        {"basis": "arpu_users", "arpu_months": 3},
    ],
    "arr": [{}],
    "active_customers": [{}, {"level": "parent"}, {"gap_days": 3}],
    "average_revenue_per_account": [{}],
    "average_revenue_per_user": [{}, {"users": "active_users"}, {"users": "accounts"}],
    **dict.fromkeys(
        (
            *("new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "reactivation_mrr", "currency_effect_mrr"),
            *("upsell_mrr", "cross_sell_mrr", "price_change_mrr"),
            *("new_customers", "churned_customers", "reactivated_customers"),
        ),
        _MOVED,
    ),
    "net_new_mrr": [*_MOVED, {"include_fx": True}],
    "upsell_rate": [{}, {"measure": "customers"}],
    "cross_sell_rate": [{}, {"measure": "customers"}],
    "quick_ratio": [{}, {"include_reactivation": False}],
    "mrr_growth_rate": [{}, {"compare": "yoy"}],
    "logo_churn_rate": [{}, {"method": "events"}, {"method": "events_with_new"}, {"level": "parent", "gap_days": 5}],
    "customer_retention_rate": [{}],
    "gross_revenue_retention": _STAYED,
    "net_revenue_retention": _STAYED,
    "gross_revenue_churn_rate": [{}, {"method": "events"}, {"fx": "spot"}],
    "net_revenue_churn_rate": [{}, {"fx": "spot"}],
    "cohort_customer_retention": _COHORTS,
    "cohort_revenue_retention": [*_COHORTS, *({**params, "measure": "gross"} for params in _COHORTS)],
    "survival_rate": [{"age": 0}, {"age": 3}, {"age": 12}],
}
"""The params worth asking about of each metric of recurring revenue."""

SALES_PARAMS: dict[str, list[dict[str, Any]]] = {
    "lead_count": [{}, {"direction": "inbound"}],
    "marketing_qualified_lead_count": [{}],
    "sales_accepted_lead_count": [{}],
    "sales_qualified_lead_count": [{}],
    "lead_stage_conversion_rate": [
        {"from": "lead", "to": "mql"},
        {"from": "mql", "to": "sal"},
        {"from": "mql", "to": "sql"},
        {"from": "sql", "to": "won"},
    ],
    "lead_to_opportunity_rate": _WINDOWED,
    "lead_to_accepted_opportunity_rate": [
        *_WINDOWED,
        {"criteria": "bant"},
        {"criteria": "bant", "bant_min": 3},
        {"criteria": "both", "window_days": 30},
    ],
    "activation_rate": [*_WINDOWED, {"activation": "won"}],
    "lead_activation_gap": _WINDOWED,
    "conversion_rate": [
        {"action": "demo"},
        {"action": "demo", "window_days": 14},
        {"action": "demo", "unit": "offer"},
        {"action": "webinar"},
    ],
    "conversion_count": [{"action": "demo"}],
    "time_to_conversion_days": [
        {"action": "demo"},
        {"action": "demo", "stat": "km_median"},
        {"from": "lead", "to": "sql"},
        {"from": "lead", "to": "sql", "stat": "p90"},
        {"from": "mql", "to": "won", "stat": "mean"},
        {"from": "lead", "to": "won", "stat": "km_median"},
    ],
    "opportunities_created_count": [{}, {"types": ["renewal"]}],
    "opportunities_created_value": [{}, {"amount": "creation"}, {"amount": "current"}],
    "pitched_rate": [{}],
    "closed_rate": [{}, {"outcome": "won"}],
    "win_rate": [{}, {"basis": "created"}, {"overdue_as_lost": True}, {"exclude_loss_reasons": []}],
    "win_rate_value": [{}],
    "average_deal_value": [{}, {"stat": "median"}],
    "sales_cycle_days": [
        {},
        {"stat": "median"},
        {"stat": "p90"},
        {"outcome": "closed"},
        {"start": "lead_created"},
        {"start": "accepted"},
    ],
    "sales_velocity": [{}, {"count": "created"}, {"count": "average"}, {"lookback_days": 90}],
    "upsell_mrr": [{"source": "opportunities"}],
    "cross_sell_mrr": [{"source": "opportunities"}],
}
"""The params worth asking about of each metric of the funnel and of sales."""

_STAGE: list[dict[str, Any]] = [{"stage": "discovery"}, {"stage": "demo"}, {"stage": "proposal"}]

PIPELINE_PARAMS: dict[str, list[dict[str, Any]]] = {
    "stage_conversion_rate": [
        *_STAGE,
        *({**params, "skipped": "ignore"} for params in _STAGE),
        {"stage": "discovery", "to": "proposal"},
        {"stage": "demo", "resolved_only": True},
    ],
    "stage_duration_days": [*_STAGE, {"stage": "demo", "stat": "mean", "open": "include"}],
    "stage_delay_days": _STAGE,
    "stage_overdue_rate": [{}],
    "stage_friction_index": _STAGE,
    "stage_regression_rate": [{}],
    "pipeline_movement_rate": [{}],
    "close_date_slippage_rate": [{}, {"weight": "value"}],
    "close_date_pushes": [{}],
    "open_pipeline_count": [{}, {"types": ["renewal"]}],
    "open_pipeline_value": [{}],
    "weighted_pipeline_value": [{}],
    "pipeline_velocity": [{}, {"lookback_days": 90}],
    "required_pipeline_coverage": [{}],
}
"""The params worth asking about of each metric of stages and the open pipeline, asked of a sales world."""

_ACCOUNT_SLICES: list[dict[str, str]] = [
    *({}, {}, {}, {}),  # mostly the whole company
    {"segment": "smb"},
    {"segment": "unknown"},
    {"account_id": "A1"},
]
_LINE_SLICES: list[dict[str, str]] = [{"product": "core"}, {"plan": "pro"}, {"segment": "ent", "product": "core"}]
_OWNER_SLICES: list[dict[str, str]] = [
    {"owner_id": "p1"},
    {"owner_id": "unknown"},
    {"team": "west"},
    {"channel": "web"},
]


def _slices(metric: str, params: dict[str, Any]) -> list[dict[str, str]]:
    if metric in {"conversion_rate", "conversion_count"} or "action" in params:
        return [{}, {"channel": "web"}, {"channel": "unknown"}]
    if metric in {"churned_mrr", "churned_customers"}:
        return [*_ACCOUNT_SLICES, *_LINE_SLICES, {"cancel_reason": "price"}, {"cancel_reason": "unknown"}]
    if metric in SUBSCRIPTION_PARAMS:
        sold = "basis" in params or "source" in params
        return _ACCOUNT_SLICES if sold else [*_ACCOUNT_SLICES, *_LINE_SLICES]
    if metric in {"stage_regression_rate", "pipeline_movement_rate"}:
        return _ACCOUNT_SLICES  # of which day their owner is, is not settled
    return [*_ACCOUNT_SLICES, *_OWNER_SLICES]


def questions(seed: int, params_of: dict[str, list[dict[str, Any]]], count: int = 60) -> list[Asked]:
    """That many questions about the world of a seed: metric, params, period and slice drawn independently.

    Every metric is asked about before any is asked about twice.
    """
    dice = Dice(seed + 1_000_003)
    dice.now = date.fromisoformat(now_of(seed))
    metrics: list[str] = []
    while len(metrics) < count:
        once = list(params_of)
        dice.random.shuffle(once)
        metrics += once
    asked = []
    for metric in metrics[:count]:
        params = dice.pick(params_of[metric])
        grain, period = ("all", None) if "cohort" in params else dice.pick(_periods_around(dice.now))
        if metric in {"mrr_growth_rate", "gross_revenue_churn_rate", "net_revenue_churn_rate"} and grain == "all":
            grain, period = "year", "2024"
        asked.append(Asked(metric, params, grain, period, dice.pick(_slices(metric, params))))
    return asked


def questions_of_case(folder: Path) -> list[Asked]:
    """Every metric within reach, with each of its params, in every period and slice that the checks of a case use.

    The worked cases settle a value here and there; these are all the values that their tables have.
    """
    checks = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["checks"]
    loaded = {path.stem for path in folder.glob("*.csv")}
    params_of: dict[str, list[dict[str, Any]]] = {}
    if loaded & {"subscription_periods", "invoices"}:
        params_of |= SUBSCRIPTION_PARAMS
    if loaded & {"leads", "opportunities", "conversions"}:
        params_of |= SALES_PARAMS | PIPELINE_PARAMS
    for metric in params_of:
        own = [check["params"] for check in checks if check["metric"] == metric]
        params_of[metric] = [*params_of[metric], *(params for params in own if params not in params_of[metric])]
    periods = sorted({(check["grain"], check["period"] or "") for check in checks})
    slices = [dict(items) for items in sorted({tuple(sorted(check["by"].items())) for check in checks})]
    asked = []
    for metric, choices in params_of.items():
        for params in choices:
            possible = {name for by in _slices(metric, params) for name in by}
            times = [("all", "")] if "cohort" in params else periods
            asked += [
                Asked(metric, params, grain, period or None, by)
                for grain, period in times
                for by in slices
                if set(by) <= possible
            ]
    return asked


# --- case folders ----------------------------------------------------------------------------------------------------


def write_tables(world: World, folder: Path) -> None:
    """One CSV file for each entity, with the columns of the data model that any row has."""
    folder.mkdir(parents=True, exist_ok=True)
    for entity, rows in world.items():
        used = {column for row in rows for column in row}
        columns = [name for name in ENTITIES[entity].field_names if name in used or not rows]
        with (folder / f"{entity}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def write_case(world: World, folder: Path, seed: int, checks: Sequence[dict[str, Any]] = ()) -> None:
    """The world of a seed as a case folder: its tables, and `expected.json` with the checks given."""
    write_tables(world, folder)
    case = {
        "case": folder.name,
        "about": f"Drawn from seed {seed}.",
        "now": now_of(seed),
        "reporting_currency": REPORTING_CURRENCY,
        "time_zone": zone_of(seed),
        "checks": list(checks),
    }
    (folder / "expected.json").write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")
