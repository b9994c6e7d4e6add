"""Small, nasty worlds of costs, people, markets and deals beside subscriptions and bills, drawn from a seed."""

from __future__ import annotations

from datetime import date
from typing import Any

from .generate import _ACCOUNT_SLICES, _LINE_SLICES, Asked, Dice, World, _periods_around, _row, _shuffled, now_of
from .generate_billing import _currency, billing_world
from .periods import DAY, add_months

DEPARTMENTS = ("sales", "marketing", "service", None)
CHANNELS = ("web", "partner", None)

_MARGINS: list[dict[str, Any]] = [{}, {"gross_margin": 0.8}, {"basis": "revenue"}]
_COHORTS: list[dict[str, Any]] = [{"cohort": "2024-02", "age": 3}, {"cohort": "2024-Q3", "age": 1}]

ECONOMICS_PARAMS: dict[str, list[dict[str, Any]]] = {
    "gross_margin": [{}],
    "lifetime_value": [
        *_MARGINS,
        {"gross_margin": 0.5, "churn_months": 3},
        {"basis": "revenue", "lifetime_cap_months": 10, "churn_months": 1},
        {"basis": "revenue", "level": "parent", "gap_days": 3},
    ],
    "lifetime_value_historic": [{**cohort, **margin} for cohort in _COHORTS for margin in _MARGINS],
    "lifetime_value_survival": [*_MARGINS, {"basis": "revenue", "horizon_months": 3}],
    "acquisition_cost": [
        *({}, {"variant": "new"}, {"variant": "paid"}),
        *({"lag_months": 1}, {"lag_months": 3, "variant": "new"}, {"departments": ["service"]}),
    ],
    "customer_acquisition_cost": [
        *({}, {"variant": "paid"}, {"variant": "new"}, {"lag_months": 2}, {"customers": "won"}),
        *({"credit": "touched"}, {"credit": "actioned"}, {"credit": "touched", "customers": "won"}),
    ],
    "customer_acquisition_cost_ratio": [{}, {"variant": "new"}],
    "customer_acquisition_payback_months": _MARGINS,
    "lifetime_value_to_acquisition_cost": _MARGINS,
    "operating_expenses": [{}, {"method": "drivers"}],
}
GROWTH_PARAMS: dict[str, list[dict[str, Any]]] = {
    "revenue": [
        *({}, {}, {"level": "parent", "gap_days": 3}),
        *({"source": source} for source in ("invoiced", "collected", "recognised", "bookings")),
    ],
    "revenue_growth_rate": [
        {},
        {"compare": "prev"},
        {"source": "invoiced"},
        {"source": "recognised", "compare": "prev"},
    ],
    "run_rate": [{}, {"per": "month"}, {"per": "year", "source": "bookings"}],
    "market_penetration": [{}, {"measure": "value"}],
    "market_share": [{}],
    "market_share_change": [{}],
    "headcount": [{}],
    "revenue_per_full_time_equivalent": [{}],
    "headcount_growth_rate": [{}, {"compare": "prev"}],
    "growth_gap": [{}, {"compare": "prev"}],
}
NEEDS_A_BASE = ("revenue_growth_rate", "headcount_growth_rate", "growth_gap", "market_share_change")


def economics_world(seed: int) -> World:
    """Subscriptions, contracts and bills, and what it costs to win and to serve who has them."""
    dice = Dice(seed + 17)
    dice.seed, dice.now = seed, date.fromisoformat(now_of(seed))
    world = billing_world(seed)
    people = dice.words(5, "p")
    names = sorted({row["account_id"] for row in world["accounts"]})
    world |= {
        "people": [_person(dice, name) for name in people],
        "expenses": [_expense(dice, number) for number in range(dice.pick((0, 12, 40)))],
        "commissions": [_commission(dice, dice.pick((*people, "p9"))) for _ in range(6)],
        "campaigns": [_campaign(dice, f"c{number}") for number in range(5)],
        "opportunities": [_deal(dice, number, dice.pick(names)) for number in range(14)],
        "markets": _markets(dice),
    }
    world["touchpoints"] = [_touch(dice, number, names) for number in range(30)]
    return _shuffled(dice, world)


def _person(dice: Dice, name: str) -> dict[str, str]:
    hired = dice.day()
    return _row(
        person_id=name,
        department=dice.pick(DEPARTMENTS),
        hired_on=dice.pick((hired, hired, date(2023, 5, 17), date(2024, 1, 1))),
        left_on=dice.pick((None, None, hired, dice.day())),
        fte=dice.pick((None, "1", "0.5", "0.8")),
        annual_salary=dice.pick(
            ("100000", "60000", "72000.50", None) if dice.seed % 3 == 0 else ("100000", "60000.01")
        ),
        currency=_currency(dice),
    )


def _expense(dice: Dice, number: int) -> dict[str, str]:
    return _row(
        expense_id=f"e{number}",
        incurred_on=dice.day(),
        amount=dice.pick(("100", "250.55", "33.33", "-20", "0")),
        currency=_currency(dice),
        category=dice.pick(
            ("compensation", "advertising", "advertising", "rent", "tools", "cogs", "cogs", "other", None)
        ),
        purpose=dice.pick((None, "acquisition", "expansion", "retention")),
        department=dice.pick(DEPARTMENTS),
        channel=dice.pick(CHANNELS),
        campaign_id=dice.pick(("c1", "c2", None)),
    )


def _commission(dice: Dice, person_id: str) -> dict[str, str]:
    start = dice.day()
    return _row(
        person_id=person_id,
        period_start=start,
        period_end=dice.pick((add_months(start, 1), add_months(start, 3), start + 7 * DAY)),
        amount=dice.pick(("300", "1000", "77.77")),
        currency=_currency(dice),
    )


def _campaign(dice: Dice, campaign_id: str) -> dict[str, str]:
    start = dice.day()
    return _row(
        campaign_id=campaign_id,
        channel=dice.pick(CHANNELS),
        department=dice.pick(DEPARTMENTS),
        started_on=start,
        ended_on=dice.pick((None, start + DAY, start + 10 * DAY, add_months(start, 2))),
        budget=dice.pick(("500", "1000.10", None)),
        currency=_currency(dice),
    )


def _deal(dice: Dice, number: int, account_id: str) -> dict[str, str]:
    created = dice.instant()
    return _row(
        opportunity_id=f"o{number:02}",
        account_id=account_id,
        lead_id=dice.pick(("l1", "l2", None)),
        type=dice.pick(("new_business", "renewal", "expansion", None)),
        amount=dice.pick(("1000", "2500.50", None)),
        currency=_currency(dice),
        created_at=created,
        closed_at=dice.pick((None, dice.instant(created), dice.instant(created), dice.instant(created))),
        is_won=dice.maybe(0.7),
        duplicate_of="o01" if number == 7 else None,
    )


def _touch(dice: Dice, number: int, names: list[str]) -> dict[str, str]:
    kind = dice.pick(("opportunity_id", "lead_id", "account_id"))
    to = {
        "opportunity_id": f"o{dice.random.randrange(14):02}",
        "lead_id": dice.pick(("l1", "l2")),
        "account_id": dice.pick(names),
    }
    return _row(
        touchpoint_id=f"t{number:02}",
        occurred_at=dice.instant(),
        department=dice.pick(DEPARTMENTS),
        channel=dice.pick(CHANNELS),
        is_direct=dice.maybe(0.2),
        **{kind: to[kind]},
    )


def _markets(dice: Dice) -> list[dict[str, str]]:
    return [
        _row(
            segment=dice.pick(("all", None)) if segment == "all" else segment,
            year=year,
            addressable_accounts=dice.pick(("100", "40", None, "0")),
            addressable_revenue=dice.pick(("1000000", "50000.50", None)),
            market_revenue=dice.pick(("300000", "9999.99", None)),
            currency=dice.pick(("USD", "EUR", None)),
        )
        for year in ("2023", "2024", "2025")
        for segment in ("all", "smb", "ent")
        if dice.maybe(0.6)
    ]


def _slices(metric: str, params: dict[str, Any]) -> list[dict[str, str]]:
    """What a metric can be asked by."""
    departments = [{"department": "sales"}, {"department": "marketing"}, {"department": "unknown"}]
    channels = [{"channel": "web"}, {"channel": "unknown"}]
    if "credit" in params:
        return [*departments, {}, {"department": "sales", "channel": "web"}]
    by: dict[str, list[dict[str, str]]] = {
        "acquisition_cost": [*departments, *channels, {"campaign_id": "c1"}],
        "customer_acquisition_cost": [*departments, *channels],
        "customer_acquisition_cost_ratio": channels,
        "customer_acquisition_payback_months": channels,
        "lifetime_value_to_acquisition_cost": channels,
        "operating_expenses": [
            *departments,
            *({"category": name} for name in ("compensation", "commission", "advertising", "rent", "unknown")),
            {"department": "sales", "category": "compensation"},
        ],
    }
    for name in ("headcount", "headcount_growth_rate", "revenue_per_full_time_equivalent"):
        by[name] = departments
    for name in ("market_penetration", "market_share", "market_share_change"):
        by[name] = [{"segment": "smb"}]
    by |= {"gross_margin": [], "growth_gap": []}
    if metric in by:
        return [{}, {}, *by[metric]]
    recurring = "source" not in params
    return [*_ACCOUNT_SLICES, *(_LINE_SLICES if recurring else [])]


def economics_questions(seed: int, params_of: dict[str, list[dict[str, Any]]], count: int = 60) -> list[Asked]:
    """That many questions about the world of a seed, every metric as often as any other."""
    dice = Dice(seed + 1_000_003)
    dice.now = date.fromisoformat(now_of(seed))
    metrics = sorted(params_of) * (count // len(params_of) + 1)
    asked = []
    for metric in metrics[:count]:
        params = dice.pick(params_of[metric])
        grain, period = ("all", None) if "cohort" in params else dice.pick(_periods_around(dice.now))
        if grain == "all" and metric in NEEDS_A_BASE:
            grain, period = "year", "2024"
        asked.append(Asked(metric, params, grain, period, dice.pick(_slices(metric, params))))
    return asked
