"""Small worlds with what was foreseen: recurring revenue beside leads, forecasts and plans; and questions of them."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from .generate import Asked, World, now_of, subscription_world
from .periods import add_months

METRICS = ("mrr", "new_mrr", "churned_mrr", "nrr", "logo_churn_rate", "new_customers")
AUTHORS = ("", "", "p1", "p2")
CATEGORIES = ("", "", "commit")

PREDICTED: list[dict[str, Any]] = [
    {},
    {"churn": "revenue"},
    {"activation": "new_mrr"},
    {"method": "retained_growth", "activation": "new_mrr"},
    {"method": "retained_growth", "history_months": 6},
    {"method": "mom", "history_months": 5},
    {"method": "yoy"},
    {"method": "run_rate"},
    {"outliers": "remove", "history_months": 7},
    {"outliers": "remove", "history_months": 9, "activation": "new_mrr", "churn": "revenue"},
    {"outliers": "remove", "history_months": 12, "method": "mom"},
    {"seasonality": True, "activation": "new_mrr"},
    {"seasonality": True, "method": "run_rate"},
    {"history_months": 1},
]


def foresight_world(seed: int) -> World:
    """A subscription world with leads, forecasts and plans for months and quarters around its own."""
    world = subscription_world(seed)
    random = Random(seed + 77)
    accounts = [row["account_id"] for row in world["accounts"]]
    world["leads"] = [_lead(random, number, accounts) for number in range(random.randrange(20, 60))]
    world["forecasts"] = [_forecast(random) for _ in range(random.randrange(60, 140))]
    world["plans"] = [_plan(random) for _ in range(random.randrange(20, 50))]
    return world


def _lead(random: Random, number: int, accounts: list[str]) -> dict[str, str]:
    day = date(2024, 1, 1) + timedelta(days=random.randrange(450))
    clock = random.choice(("00:00:00", "03:59:59", "12:30:00", "23:59:59"))
    return {
        "lead_id": f"L{number}",
        "account_id": random.choice([*accounts, ""]),
        "created_at": f"{day}T{clock}Z",
        "duplicate_of": f"L{random.randrange(number)}" if number and random.random() < 0.1 else "",
    }


def _target(random: Random) -> tuple[date, date]:
    start = add_months(date(2024, 1, 1), random.randrange(16))
    if random.random() < 0.2:
        start = add_months(start, -((start.month - 1) % 3))
        return start, add_months(start, 3)
    return start, add_months(start, 1)


def _amount(random: Random) -> str:
    return random.choice(("0", "-5", f"{random.randrange(1, 900)}", f"{random.random():.3f}", "150.25"))


def _forecast(random: Random) -> dict[str, str]:
    start, end = _target(random)
    made_on = random.choice((start, end, start - timedelta(days=random.randrange(60)), end - timedelta(days=20)))
    return {
        "metric": random.choice(METRICS),
        "made_on": str(made_on),
        "period_start": str(start),
        "period_end": str(end),
        "value": _amount(random),
        "person_id": random.choice(AUTHORS),
        "category": random.choice(CATEGORIES),
    }


def _plan(random: Random) -> dict[str, str]:
    start, end = _target(random)
    return {
        "metric": random.choice(METRICS[:3]),
        "period_start": str(start),
        "period_end": str(end),
        "value": _amount(random),
        "segment": random.choice(("", "", "smb", "ent")),
    }


def predicted(seed: int) -> list[Asked]:
    """Every variant of the prediction, each in a month around `now` and in a slice."""
    random = Random(seed)
    now = date.fromisoformat(now_of(seed))
    asked = []
    for params in PREDICTED:
        month = add_months(now.replace(day=1), random.choice((-4, -2, -1, 0, 0, 1, 1, 2)))
        by = random.choice(({}, {}, {"segment": "smb"}, {"channel": "web"}, {"account_id": "A1"}))
        if params.get("activation") == "new_mrr" and random.random() < 0.3:
            by = {"product": "core"}
        asked.append(Asked("predicted_mrr", params, "month", f"{month:%Y-%m}", dict(by)))
    return asked


def judged(seed: int, count: int = 24) -> list[Asked]:
    """Questions for the accuracy of forecasts and plans in months, quarters, years and all time."""
    random = Random(seed)
    asked = []
    for _ in range(count):
        plan = random.random() < 0.4
        name = random.choice(("mape", "wape", "bias", "smape", "accuracy", *(["attainment"] if plan else [])))
        params: dict[str, Any] = {"metric": random.choice(METRICS[: 3 if plan else 6])}
        if not plan and random.random() < 0.4:
            params["horizon_days"] = random.choice((0, 10, 31, 45))
        periods = (
            ("all", None),
            ("year", "2024"),
            ("quarter", "2024-Q4"),
            ("month", "2024-12"),
            ("quarter", "2025-Q1"),
        )
        grain, period = random.choice(periods)
        by: dict[str, str] = {}
        if plan and random.random() < 0.5:
            by = {"segment": random.choice(("smb", "ent"))}
        elif not plan:
            by = dict(random.choice(({}, {}, {"person_id": "p1"}, {"category": "commit"}, {"person_id": "p2"})))
        asked.append(Asked(f"{'plan' if plan else 'forecast'}_{name}", params, grain, period, by))
    return asked
