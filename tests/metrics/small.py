"""Small worlds of a few rows, and questions about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from tests.catalogue.worlds import Rows, evaluation_over
from tests.metrics.companies import Question, values

from revgauge.catalogue.context import Settings
from revgauge.catalogue.evaluation import Value

NOW = date(2025, 7, 10)


def asked(
    tables: Mapping[str, Rows],
    metric: str,
    period: str,
    *,
    now: date = NOW,
    by: Mapping[str, str] | None = None,
    **params: Any,
) -> Value:
    """The value of a metric over a few rows, limited to the values of `by`."""
    return answers(tables, [Question(metric, period, by or {}, params)], now)[0]


def answers(tables: Mapping[str, Rows], questions: Iterable[Question], now: date = NOW) -> list[Value]:
    """The values of several questions over a few rows, all worked out together."""
    return values(evaluation_over(tables, settings=Settings(now)), questions)


def subscribed(*rows: tuple[str, str, str, str], currency: str = "USD") -> Rows:
    """Subscriptions of one period each: account, first day, first day after, amount."""
    return [
        {
            "subscription_id": f"s{number}",
            "account_id": account_id,
            "valid_from": start,
            "valid_to": end,
            "mrr": amount,
            "currency": currency,
        }
        for number, (account_id, start, end, amount) in enumerate(rows)
    ]


def booked(*rows: tuple[str, str, str], **fields: str) -> Rows:
    """Expenses: day, category, amount; fields that all of them share."""
    return [
        {"expense_id": f"{day}-{number}", "incurred_on": day, "category": category, "amount": amount, **fields}
        for number, (day, category, amount) in enumerate(rows)
    ]
