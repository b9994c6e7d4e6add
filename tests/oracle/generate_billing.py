"""Small, nasty worlds of contracts, bills and money, drawn from a seed.

Contracts follow each other early, late, much too late or not at all, name what is not there, have no term or no value,
and renew by themselves. Bills are paid in parts, ahead, twice, in another currency, are credited by name and without,
clawed back and refunded. Days cluster around the ends of months and around `now`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from .generate import (
    _ACCOUNT_SLICES,
    Asked,
    Dice,
    World,
    _accounts,
    _exchange_rates,
    _periods_around,
    _row,
    _shuffled,
    _subscriptions,
    now_of,
)
from .periods import DAY, add_months

SIGNED_AFTER_END = (-200, -120, -91, -90, -89, -30, -10, -1, 0, 0, 1, 9, 10, 11, 29, 30, 31, 45, 60, 61)
"""Days from the end of a contract to the signature of the next: at, before and behind every limit."""

_STATS: list[dict[str, Any]] = [{}, {}, {"stat": "median"}, {"stat": "p90"}]
RENEWAL_PARAMS: dict[str, list[dict[str, Any]]] = {
    "renewals_due": [{}, {}, {"measure": "count"}],
    "renewal_rate": [
        {},
        {"unit": "contract"},
        {"late_grace_days": 60},
        {"late_grace_days": 0},
        {"infer_auto": False},
        {"pending": "exclude"},
        {"pending": "exclude", "unit": "contract", "late_grace_days": 10},
    ],
    "renewal_rate_value": [
        {},
        {"measure": "net"},
        {"measure": "net", "pending": "exclude"},
        {"late_grace_days": 10},
        {"infer_auto": False},
    ],
    "renewal_reason_share": [{}, {"infer_auto": False}, {"late_grace_days": 60}],
    "renewal_timing_share": [{}, {"early_days": 120}, {"early_days": 9, "late_grace_days": 60}],
}
CASH_PARAMS: dict[str, list[dict[str, Any]]] = {
    "sign_to_invoice_days": _STATS,
    "invoice_to_cash_days": _STATS,
    "close_to_cash_days": [
        *_STATS,
        {"until": "first_payment"},
        {"until": "all_paid"},
        {"until": "all_paid", "stat": "median"},
    ],
    "receivables": [{}],
    "overdue_amount": [{}],
    "overdue_rate": [{}],
    "on_time_payment_rate": [{}],
    "days_sales_outstanding": [{}, {}, {"window_months": 1}, {"window_months": 12}, {"method": "countback"}],
    "collection_effectiveness_index": [{}],
    "refund_rate": [{}],
    "clawback_rate": [{}],
}


def billing_world(seed: int) -> World:
    """Accounts with their subscriptions, contracts, bills, credit notes and money."""
    dice = Dice(seed)
    names = dice.words(dice.random.randrange(6, 14), "A")
    world: World = {
        "accounts": _accounts(dice, names),
        "exchange_rates": _exchange_rates(dice),
        "subscriptions": [],
        "subscription_periods": [],
        "contracts": [],
        "invoices": [],
        "payments": [],
    }
    stranger = ["Z"] if dice.maybe(0.3) else []
    for account_id in [*names, *stranger]:
        _subscriptions(dice, world, account_id)
        for chain in range(dice.pick((0, 1, 2, 2, 3))):
            _chain(dice, world, account_id, chain)
        _bills(dice, world, account_id)
    return _shuffled(dice, world)


def _currency(dice: Dice) -> str | None:
    """Mostly one that has a rate; in some worlds also one that has none yet, or never."""
    usual: tuple[str | None, ...] = ("USD", "USD", "USD", "EUR", "EUR", None)
    return dice.pick((*usual, "GBP", "CHF") if dice.seed % 4 == 0 else usual)  # type: ignore[no-any-return]


def _near(dice: Dice, day: date) -> datetime:
    """An instant of that day in UTC, at or near a midnight somewhere."""
    clock = dice.pick(((0, 0, 0), (3, 59, 59), (5, 0, 0), (12, 30, 0), (18, 30, 0), (23, 59, 59)))
    return datetime(day.year, day.month, day.day, *clock)  # noqa: DTZ001 -- written out as UTC


def _chain(dice: Dice, world: World, account_id: str, chain: int) -> None:
    """Contracts of which each may be followed by the next."""
    links = dice.pick((1, 2, 2, 3))
    own = [row for row in world["subscriptions"] if row["account_id"] == account_id]
    ends = [row["valid_to"] for row in world["subscription_periods"] if row["account_id"] == account_id]
    months = dice.pick((1, 1, 3, 6, 12, 12, 24))
    starts_on = add_months(dice.day(), -months)
    signed = starts_on - dice.pick((0, 1, 20)) * DAY
    for link in range(links):
        ends_on = add_months(starts_on, months) + dice.pick((0, 0, 0, 10)) * DAY
        if dice.maybe(0.2) and [day for day in ends if day > starts_on.isoformat()]:
            ends_on = date.fromisoformat(max(ends))
        if dice.maybe(0.01):
            ends_on = starts_on
        following = f"{account_id}-k{chain}{link + 1}" if link + 1 < links and dice.maybe(0.85) else None
        if dice.maybe(0.04):
            following = dice.pick(("nowhere", f"{account_id}-k{chain}{link}"))
        world["contracts"].append(
            _row(
                contract_id=f"{account_id}-k{chain}{link}",
                account_id=account_id,
                subscription_id=dice.pick(own)["subscription_id"] if own and dice.maybe(0.7) else None,
                signed_at=_near(dice, signed) if dice.maybe(0.96) else None,
                starts_on=starts_on if dice.maybe(0.99) else None,
                ends_on=ends_on,
                value=dice.pick(("1200", "999.99", "2400", "3600.5", "0")) if dice.maybe(0.99) else None,
                currency=_currency(dice),
                auto_renew=dice.pick((True, True, False, None)),
                renewed_by=following,
                renewal_reason=dice.pick(("value", "relationship", "auto", None)),
            )
        )
        signed = ends_on + dice.pick(SIGNED_AFTER_END) * DAY
        starts_on = ends_on + dice.pick((0, 0, 0, 15)) * DAY
        months = dice.pick((1, 1, 3, 12))


def _bills(dice: Dice, world: World, account_id: str) -> None:
    contracts = [row["contract_id"] for row in world["contracts"] if row["account_id"] == account_id]
    usual = _currency(dice)
    for number in range(dice.random.randrange(12)):
        invoice_id = f"{account_id}-i{number}"
        issued_on = dice.day()
        amount = dice.pick(("100", "100", "250.5", "80", "0"))
        currency = usual if dice.maybe(0.8) else _currency(dice)
        days = dice.pick((0, 10, 14, 30, 30, 30, -3))
        world["invoices"].append(
            _row(
                invoice_id=invoice_id,
                account_id=account_id,
                contract_id=dice.pick((*contracts, *contracts, None, "nowhere")),
                issued_on=issued_on,
                due_on=issued_on + days * DAY if dice.maybe(0.96) else None,
                amount=amount,
                currency=currency,
                kind=dice.pick(("invoice", "invoice", None)),
            )
        )
        if dice.maybe(0.35):
            _credit(dice, world, invoice_id, issued_on, currency)
        _money(dice, world, invoice_id, issued_on, currency)
    if dice.maybe(0.1):
        _pay(dice, world, dice.pick(("nowhere", None)), dice.day(), "40", _currency(dice), "payment")


def _credit(dice: Dice, world: World, invoice_id: str, issued_on: date, currency: str | None) -> None:
    """A credit note by name or without, for a part, all or more; at times a negative bill."""
    negative = dice.maybe(0.2)
    amount = dice.pick(("30", "50", "100", "400"))
    applies_to = dice.pick((invoice_id, invoice_id, None, None, None, "nowhere"))
    if applies_to and dice.maybe(0.1):
        currency = _currency(dice)
    account_id = invoice_id.rpartition("-")[0]
    world["invoices"].append(
        _row(
            invoice_id=f"{invoice_id}c",
            account_id=account_id,
            issued_on=issued_on + dice.pick((-20, 0, 1, 5, 30, 40)) * DAY,
            amount=f"-{amount}" if negative else amount,
            currency=currency,
            kind=dice.pick(("invoice", None)) if negative else "credit_note",
            applies_to=applies_to,
        )
    )


def _money(dice: Dice, world: World, invoice_id: str, issued_on: date, currency: str | None) -> None:
    """Money in: all, a part, in two parts, too much, ahead; then perhaps some of it back."""
    parts = dice.pick(([], [], ["100"], ["100"], ["60", "40"], ["50"], ["150"], ["250.5"], ["30", "220.5"], ["80"]))
    day = issued_on + dice.pick((-10, 0, 0, 5, 10, 14, 29, 30, 31, 60)) * DAY
    for amount in parts:
        paid_in = _currency(dice) if dice.maybe(0.08) else dice.pick((currency, currency, None))
        _pay(dice, world, invoice_id, day, amount, paid_in, dice.pick(("payment", "payment", None)))
        day += dice.pick((0, 1, 15, 30)) * DAY
    if parts and dice.maybe(0.3):
        back = dice.pick(("clawback", "clawback", "refund", "payment"))
        amount = dice.pick((parts[-1], "20"))
        _pay(dice, world, invoice_id, day, f"-{amount}" if back == "payment" else amount, currency, back)
        if dice.maybe(0.4):
            _pay(dice, world, invoice_id, day + 7 * DAY, amount, currency, "payment")


def _pay(
    dice: Dice, world: World, invoice_id: str | None, day: date, amount: str, currency: str | None, kind: str | None
) -> None:
    world["payments"].append(
        _row(
            payment_id=f"p{len(world['payments'])}",
            invoice_id=invoice_id,
            paid_at=_near(dice, day) + timedelta(seconds=dice.pick((0, 0, 1))),
            amount=amount,
            currency=currency,
            kind=kind,
        )
    )


def _slices(metric: str) -> list[dict[str, str]]:
    """What a metric of renewals or cash can be asked by."""
    found = [{}, {}, {}, {}, *_ACCOUNT_SLICES]
    if metric.startswith("renewal"):
        found += [{"auto_renew": "true"}, {"auto_renew": "false", "segment": "smb"}]
    own = {
        "renewal_reason_share": ("renewal_reason", ("auto", "value", "relationship", "unknown")),
        "renewal_timing_share": ("timing", ("early", "on_time", "late")),
    }
    if metric in own:
        name, values = own[metric]
        found += [{name: value} for value in values] * 4 + [{name: values[0], "segment": "ent"}]
    return found


def billing_questions(seed: int, params_of: dict[str, list[dict[str, Any]]], count: int = 60) -> list[Asked]:
    """That many questions about the world of a seed, every metric as often as any other."""
    dice = Dice(seed + 1_000_003)
    dice.now = date.fromisoformat(now_of(seed))
    metrics = sorted(params_of) * (count // len(params_of) + 1)
    asked = []
    for metric in metrics[:count]:
        grain, period = dice.pick(_periods_around(dice.now))
        asked.append(Asked(metric, dice.pick(params_of[metric]), grain, period, dice.pick(_slices(metric))))
    return asked
