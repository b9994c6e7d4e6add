"""Words are numbered while rows are grouped: what comes back are the words again.

Expected values are sums of the amounts below, worked out by hand.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.catalogue.worlds import evaluation_over

from revgauge.catalogue import codes
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.model.period import Period

ACCOUNTS = [
    {"account_id": "a", "name": "A", "segment": "smb", "region": "south"},
    {"account_id": "b", "name": "B", "segment": "ent", "region": "unknown"},
    {"account_id": "c", "name": "C", "region": "north"},
]
PERIODS = [
    {"subscription_id": f"s_{account}", "account_id": account, "valid_from": "2025-01-01", "mrr": mrr}
    for account, mrr in (("a", "1"), ("b", "10"), ("c", "100"), ("stranger", "1000"))
]
SEGMENTS = {"ent": 10, "smb": 1, "unknown": 1100}
REGIONS = {"north": 100, "south": 1, "unknown": 1010}


def asked(evaluation: Evaluation, *requests: Request) -> list[dict[str, Decimal | None]]:
    """The values of each request by the last dimension that it is cut by, asked for together."""
    return [
        {list(value.dimensions.values())[-1]: value.value for value in result.values()}
        for result in evaluation.results(requests)
    ]


def world() -> tuple[Evaluation, tuple[Period, ...]]:
    """Four customers: one without a segment, one of an unknown region, and one that is no account that was loaded."""
    evaluation = evaluation_over({"accounts": ACCOUNTS, "subscription_periods": PERIODS})
    return evaluation, (evaluation.context.calendar.parse("2025-03"),)


def by_both(evaluation: Evaluation, periods: tuple[Period, ...]) -> list[dict[str, Decimal | None]]:
    """Revenue by segment and by region."""
    return asked(evaluation, *(Request("mrr", periods, by=(name,)) for name in ("segment", "region")))


def test_words_come_back() -> None:
    """Cut by two fields at once, each value has its word; what is empty, unknown or not there is one word."""
    assert by_both(*world()) == [SEGMENTS, REGIONS]


def test_few_words_are_numbered_and_too_many_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more words than numbers rows are grouped by words, with the same values."""
    monkeypatch.setattr(codes, "MOST", 3)
    evaluation, periods = world()
    assert by_both(evaluation, periods) == [SEGMENTS, REGIONS]
    tables = [step.name for step in evaluation.context.warehouse.journal.steps]
    assert "account_attributes_codes" not in tables


def test_rows_are_limited_to_words() -> None:
    """A limit by one field holds while rows are cut by others, also one by a word that nothing has."""
    evaluation, periods = world()

    def limited(word: str) -> list[dict[str, Decimal | None]]:
        cuts = (("region",), ("industry",), ("region", "industry"))
        return asked(evaluation, *(Request("mrr", periods, by=by, only={"segment": word}) for by in cuts))

    assert limited("unknown") == [{"north": 100, "unknown": 1000}, {"unknown": 1100}, {"unknown": 1000}]
    assert limited("gov") == [{}, {}, {}]
    assert "account_attributes_codes" in [step.name for step in evaluation.context.warehouse.journal.steps]
