"""Credit for revenue worked out deal by deal in plain Python with fractions, and small nasty worlds to try it on.

Nothing here is shared with the product but the words. A world is a dict of entity to rows of text, as a case folder
holds them; the reference reads the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise, permutations
from random import Random
from zoneinfo import ZoneInfo

Rows = list[dict[str, str]]
World = dict[str, Rows]

DIMENSIONS = ("department", "channel", "campaign_id")
NOTHING, SHARED = "unattributed", "shared"
EUR = {date(2025, 1, 20): Fraction(11, 10), date(2025, 3, 10): Fraction(6, 5)}
"""Quotes of the euro; the crown has none."""


# -- worlds -----------------------------------------------------------------------------------------------------------


def stamp(moment: datetime) -> str:
    """An instant as text."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


BASE = datetime(2025, 1, 1, tzinfo=UTC)
DAY = 86_400
OFF = (0, 1, -1, 30 * DAY, 30 * DAY + 1, 90 * DAY, 90 * DAY + 1, 5 * DAY, 40 * DAY)
"""Seconds before a closing: at, just inside and just outside every window."""


def _moment(dice: Random) -> datetime:
    return BASE + timedelta(dice.randrange(100), hours=dice.choice((0, 0, 5, 12, 23)), seconds=dice.choice((0, 59)))


def drawn_world(seed: int, *, deals: int = 12, touches: int = 40, rateless: bool = True) -> World:
    """Deals, touches and changes that lie on and beside every limit: windows, closings, midnights, merged records.

    Without `rateless` every currency has a rate on every day.
    """
    dice = Random(seed)
    currencies = ["USD", "USD", "EUR", "", *(["SEK"] if rateless else [])]
    accounts = [{"account_id": f"a{number}", "duplicate_of": ""} for number in range(5)]
    accounts.append({"account_id": "a9", "duplicate_of": "a0"})
    opportunities = [_opportunity(number, accounts, currencies, dice) for number in range(deals)]
    quotes = {**({} if rateless else {date(2024, 1, 1): Fraction(1)}), **EUR}
    return {
        "accounts": accounts,
        "opportunities": opportunities,
        "opportunity_history": [change for deal in opportunities for change in _changes(deal, dice)],
        "touchpoints": [_touchpoint(number, opportunities, accounts, dice) for number in range(touches)],
        "exchange_rates": [
            {"currency": "EUR", "quoted_on": day.isoformat(), "rate": str(float(rate))} for day, rate in quotes.items()
        ],
    }


def _opportunity(number: int, accounts: Rows, currencies: list[str], dice: Random) -> dict[str, str]:
    closed, won = _moment(dice), dice.random() < 0.7
    return {
        "opportunity_id": f"o{number}",
        "account_id": dice.choice(accounts)["account_id"],
        "lead_id": dice.choice(("", "", f"l{number}", "l0")),
        "type": dice.choice(("new_business", "renewal", "")),
        "amount": dice.choice(("", "0", "-50", "100", "1000", "333.33", "10000")) if won else "500",
        "currency": dice.choice(currencies),
        "created_at": stamp(BASE),
        "closed_at": "" if dice.random() < 0.1 else stamp(closed),
        "is_won": "true" if won else dice.choice(("false", "")),
        "loss_reason": "" if won else dice.choice(("price", "", "duplicate", "test")),
        "duplicate_of": "o0" if number and dice.random() < 0.08 else "",
    }


def _changes(deal: dict[str, str], dice: Random) -> Iterator[dict[str, str]]:
    for number in range(dice.choice((0, 0, 1, 2, 3))):
        # No two changes of a deal fall on one instant: which comes first is not settled.
        at = BASE + timedelta(days=dice.randrange(100), seconds=number + 1)
        if deal["closed_at"] and dice.random() < 0.2:
            at = parsed(deal["closed_at"]) - timedelta(days=number * 7)
        yield {
            "opportunity_id": deal["opportunity_id"],
            "changed_at": stamp(at),
            "stage": "proposal",
            "amount": dice.choice(("", "80", "100", "1000", "1200")),
            "currency": dice.choice((deal["currency"], deal["currency"], "", "EUR")),
        }


def _touchpoint(number: int, opportunities: Rows, accounts: Rows, dice: Random) -> dict[str, str]:
    deal = dice.choice(opportunities)
    at = _moment(dice)
    closings = [parsed(one["closed_at"]) for one in opportunities if one["closed_at"]]
    if closings and dice.random() < 0.5:
        at = dice.choice(closings) - timedelta(seconds=dice.choice(OFF))
    kind = dice.choice(("opportunity", "opportunity", "lead", "account", "both"))
    return {
        "touchpoint_id": f"t{number:02}",
        "occurred_at": stamp(at),
        "opportunity_id": deal["opportunity_id"] if kind in ("opportunity", "both") else "",
        "lead_id": deal["lead_id"] if kind in ("lead", "both") else "",
        "account_id": "" if kind == "lead" else dice.choice(accounts)["account_id"],
        "campaign_id": dice.choice(("", "c1", "c2")),
        "channel": dice.choice(("email", "search", "social", "", "direct")),
        "department": dice.choice(("marketing", "sales", "")),
        "is_direct": dice.choice(("", "", "false", "true")),
    }


def parsed(text: str) -> datetime:
    """An instant from its text."""
    return datetime.fromisoformat(text)


# -- the reference ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Touch:
    """A touch on a path."""

    at: datetime
    key: str
    values: Mapping[str, str]
    direct: bool


@dataclass
class Deal:
    """A closed deal; an amount of None cannot be told, because its currency has no rate."""

    won: bool
    stated: bool
    amount: Fraction | None
    closed_at: datetime
    path: list[Touch]
    steps: list[tuple[datetime, Fraction | None]]

    def models_path(self, *, include_direct: bool) -> list[Touch]:
        """The touches that models look at."""
        rest = [touch for touch in self.path if not touch.direct]
        return self.path if include_direct or not rest else rest


@dataclass(frozen=True)
class Terms:
    """Under which terms credit is given."""

    zone: str = "UTC"
    lookback_days: int = 90
    action_days: int = 30
    include_direct: bool = False
    half_life_days: float = 7.0
    first_weight: Fraction = Fraction(2, 5)
    last_weight: Fraction = Fraction(2, 5)


def rate(currency: str, day: date) -> Fraction | None:
    """What one unit is worth on a day in dollars."""
    if currency in ("USD", ""):
        return Fraction(1)
    known = [quote for quoted, quote in sorted(EUR.items()) if quoted <= day and currency == "EUR"]
    return known[-1] if known else None


def closed_deals(world: World, first: date, last: date, terms: Terms) -> list[Deal]:
    """The deals that were closed on these days, both included."""
    survivors = {row["account_id"]: row["duplicate_of"] or row["account_id"] for row in world["accounts"]}
    found: list[Deal] = []
    for row in world["opportunities"]:
        if row["duplicate_of"] or not row["closed_at"]:
            continue
        closed = parsed(row["closed_at"])
        day = closed.astimezone(ZoneInfo(terms.zone)).date()
        won = row["is_won"] == "true"
        if not first <= day <= last or (not won and row["loss_reason"] in ("duplicate", "test")):
            continue
        path = []
        for touch in world["touchpoints"]:
            if touch["opportunity_id"]:
                mine = touch["opportunity_id"] == row["opportunity_id"]
            elif touch["lead_id"]:
                mine = touch["lead_id"] == row["lead_id"]
            else:
                mine = survivors[touch["account_id"]] == survivors[row["account_id"]] if touch["account_id"] else False
            at = parsed(touch["occurred_at"])
            if mine and timedelta() <= closed - at <= timedelta(days=terms.lookback_days):
                values = {name: touch[name] or "unknown" for name in DIMENSIONS}
                path.append(Touch(at, touch["touchpoint_id"], values, touch["is_direct"] == "true"))
        path.sort(key=lambda touch: (touch.at, touch.key))
        worth = rate(row["currency"], day)
        stated = bool(row["amount"])
        amount = Fraction(row["amount"]) * worth if stated and worth is not None else None
        deal = Deal(won, stated, amount if stated else Fraction(0), closed, path, [])
        if won and stated:
            deal.steps = list(_steps(world, row, deal, day))
        found.append(deal)
    return found


def _steps(world: World, row: dict[str, str], deal: Deal, day: date) -> Iterator[tuple[datetime, Fraction | None]]:
    levels: list[tuple[datetime, Fraction | None]] = [(deal.closed_at, Fraction(0))]
    changes = [change for change in world["opportunity_history"] if change["opportunity_id"] == row["opportunity_id"]]
    for change in sorted(changes, key=lambda one: one["changed_at"]):
        at = parsed(change["changed_at"])
        if change["amount"] and at <= deal.closed_at:
            worth = rate(change["currency"] or row["currency"], day)
            levels.append((at, None if worth is None else Fraction(change["amount"]) * worth))
    levels.append((deal.closed_at, deal.amount))
    for (_, before), (at, after) in pairwise(levels):
        if before is None or after is None:
            yield at, None
        elif after != before:
            yield at, after - before


Credit = dict[str, Fraction | None]
"""By value; None where it cannot be told."""


def _add(credit: Credit, value: str, amount: Fraction | None) -> None:
    known = credit.get(value, Fraction(0))
    credit[value] = None if known is None or amount is None else known + amount


def actioned(deals: list[Deal], name: str, terms: Terms, *, sole: bool = False) -> Credit:
    """Actioned revenue by the values of a dimension."""
    credit: Credit = {NOTHING: Fraction(0)}
    for deal in (one for one in deals if one.won):
        if sole:
            values = {touch.values[name] for touch in deal.path}
            _add(credit, values.pop() if len(values) == 1 else SHARED if values else NOTHING, deal.amount)
            continue
        for at, amount in deal.steps:
            before = _before(deal, at, terms)
            _add(credit, before[-1].values[name] if before else NOTHING, amount)
    return credit


def _before(deal: Deal, at: datetime, terms: Terms) -> list[Touch]:
    return [touch for touch in deal.path if timedelta() <= at - touch.at <= timedelta(days=terms.action_days)]


def touched(deals: list[Deal], name: str, terms: Terms, *, uplift: bool = False) -> Credit:
    """Touched revenue by the values of a dimension, and under `*` that of any touch."""
    credit: Credit = {NOTHING: Fraction(0), "*": Fraction(0)}
    for deal in (one for one in deals if one.won):
        if not uplift:
            for value in {touch.values[name] for touch in deal.path} or {NOTHING}:
                _add(credit, value, deal.amount)
            if deal.path:
                _add(credit, "*", deal.amount)
            continue
        for at, amount in deal.steps:
            if amount is not None and amount < 0:
                continue
            before = _before(deal, at, terms)
            for value in {touch.values[name] for touch in before} or {NOTHING}:
                _add(credit, value, amount)
            if before:
                _add(credit, "*", amount)
    return credit


def attributed(deals: list[Deal], name: str, terms: Terms, model: str) -> Credit:
    """Attributed revenue by the values of a dimension."""
    credit: Credit = {NOTHING: Fraction(0)}
    won = [deal for deal in deals if deal.won]
    for deal in won:
        path = deal.models_path(include_direct=terms.include_direct)
        if not path:
            _add(credit, NOTHING, deal.amount)
            continue
        if model in ("markov", "conversion_rate"):
            continue
        if model == "subset_value":
            values = list(dict.fromkeys(touch.values[name] for touch in path))
            shares = [Fraction(1, len(values))] * len(values)
        else:
            values = [touch.values[name] for touch in path]
            shares = _shares(deal, path, terms, model)
        for value, share in zip(values, shares, strict=True):
            if share:
                _add(credit, value, None if deal.amount is None else deal.amount * share)
    if model in ("markov", "conversion_rate"):
        _jointly(credit, deals, name, terms, model)
    return credit


def _shares(deal: Deal, path: list[Touch], terms: Terms, model: str) -> list[Fraction]:
    count = len(path)
    if model == "linear":
        return [Fraction(1, count)] * count
    if model in ("first", "last"):
        taken = 0 if model == "first" else count - 1
        return [Fraction(int(place == taken)) for place in range(count)]
    if model == "time_decay":
        ages = [(deal.closed_at - touch.at).total_seconds() / 86400 for touch in path]
        weights = [Fraction(2.0 ** (-age / terms.half_life_days)) for age in ages]
        return [weight / sum(weights) for weight in weights]
    first, last = terms.first_weight, terms.last_weight
    if count == 1:
        return [Fraction(1)]
    if count == 2:
        return [first / (first + last), last / (first + last)]
    return [first, *[(1 - first - last) / (count - 2)] * (count - 2), last]


def _jointly(credit: Credit, deals: list[Deal], name: str, terms: Terms, model: str) -> None:
    journeys = [(path, deal) for deal in deals if (path := deal.models_path(include_direct=terms.include_direct))]
    paths = [([touch.values[name] for touch in path], deal.won) for path, deal in journeys]
    amounts = [deal.amount for _, deal in journeys if deal.won]
    known = None if None in amounts else sum((amount for amount in amounts if amount is not None), Fraction(0))
    effects = removal_effects(paths) if model == "markov" else conversion_game(paths)
    whole = sum(effects.values())
    for value, effect in effects.items():
        if whole:
            _add(credit, value, None if known is None else known * effect / whole)


# -- chains and games, by the book ------------------------------------------------------------------------------------


def removal_effects(paths: list[tuple[list[str], bool]]) -> dict[str, Fraction]:
    """The removal effect of each state: the chain is solved anew without it."""
    whole = _chance(paths, "")
    states = sorted({state for path, _ in paths for state in path})
    return {state: (whole - _chance(paths, state)) / whole if whole else Fraction(0) for state in states}


def _chance(paths: list[tuple[list[str], bool]], removed: str) -> Fraction:
    """How likely a journey is to be won where every step into the removed state is lost: Gauss in fractions."""
    counts: dict[str, dict[str, int]] = {}
    for path, won in paths:
        for source, target in pairwise(["(start)", *path, "(won)" if won else "(lost)"]):
            counts.setdefault(source, {}).setdefault(target, 0)
            counts[source][target] += 1
    states = [state for state in counts if state != removed]
    place = {state: number for number, state in enumerate(states)}
    rows = []
    for state in states:
        row = [Fraction(int(state == other)) for other in states] + [Fraction(0)]
        total = sum(counts[state].values())
        for target, count in counts[state].items():
            if target == "(won)":
                row[-1] += Fraction(count, total)
            elif target in place:
                row[place[target]] -= Fraction(count, total)
        rows.append(row)
    for column in range(len(states)):
        pivot = next(number for number in range(column, len(rows)) if rows[number][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [number / rows[column][column] for number in rows[column]]
        for number, row in enumerate(rows):
            if number != column and row[column]:
                factor = row[column]
                rows[number] = [one - factor * other for one, other in zip(row, rows[column], strict=True)]
    return rows[place["(start)"]][-1] if "(start)" in place else Fraction(0)


def conversion_game(paths: list[tuple[list[str], bool]]) -> dict[str, Fraction]:
    """What each value adds to the share of journeys won inside the set, over every order of all values."""
    sets = [(frozenset(path), won) for path, won in paths]

    def worth(members: frozenset[str]) -> Fraction:
        inside = [won for one, won in sets if one <= members]
        return Fraction(sum(inside), len(inside)) if inside else Fraction(0)

    values = sorted({value for one, _ in sets for value in one})
    added = dict.fromkeys(values, Fraction(0))
    orders = list(permutations(values))
    for order in orders:
        members: frozenset[str] = frozenset()
        for value in order:
            added[value] += worth(members | {value}) - worth(members)
            members |= {value}
    return {value: number / len(orders) for value, number in added.items()}


def shuffled(world: World, seed: int) -> World:
    """The same rows in another order."""
    dice = Random(seed)
    return {entity: dice.sample(rows, len(rows)) for entity, rows in world.items()}
