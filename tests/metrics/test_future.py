"""What is asked of a time that has not come: no metric knows, and none fails."""

from __future__ import annotations

import pytest
from tests.catalogue.worlds import evaluation_over

from revgauge.catalogue.evaluation import Request
from revgauge.catalogue.params import ParamError

PERIODS = [
    {
        "subscription_id": f"s_{currency}",
        "account_id": "a",
        "valid_from": "2024-11-01",
        "mrr": "10",
        "currency": currency,
    }
    for currency in ("USD", "EUR")
]
RATES = [{"currency": "EUR", "quoted_on": "2024-01-01", "rate": "1.1"}]
LEADS = [{"lead_id": "l", "account_id": "a", "created_at": "2024-11-01"}]
DEALS = [{"opportunity_id": "o", "account_id": "a", "created_at": "2024-11-01", "stage": "won", "is_won": "true"}]


@pytest.mark.slow
def test_no_metric_knows_the_future() -> None:
    """Asked of two months after `now` alone, every metric that does not look ahead is null, in all and by segment."""
    evaluation = evaluation_over(
        {
            "accounts": [{"account_id": "a", "name": "A"}],
            "subscription_periods": PERIODS,
            "exchange_rates": RATES,
            "leads": LEADS,
            "opportunities": DEALS,
        }
    )
    wanted = tuple(evaluation.context.calendar.parse(f"2030-0{month}") for month in (4, 5))
    asked: list[Request] = []
    for name, metric in evaluation.catalogue.metrics.items():
        try:
            _, _, measure = evaluation.measure(Request(name, wanted))
        except ParamError:
            continue  # it takes a parameter to ask for it at all
        if not metric.looks_ahead:
            asked.append(Request(name, wanted))
            if "segment" in evaluation.dimensions(metric, measure):
                asked.append(Request(name, wanted, by=("segment",)))
    results = evaluation.results(asked)
    assert len(asked) > len(evaluation.catalogue.metrics)
    assert {value.value for result in results for value in result.values()} == {None}
