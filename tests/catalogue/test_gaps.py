"""Gaps: what can be computed, what only in part, what not at all, and what is missing for it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import pytest
from tests.catalogue.worlds import Rows, evaluation_over

from revgauge.catalogue.gaps import Finding, Gap, GapFinder

PERIODS = [
    {"subscription_id": "s1", "account_id": "a", "valid_from": "2025-01-01", "mrr": "10", "currency": "USD"},
    {"subscription_id": "s2", "account_id": "b", "valid_from": "2025-01-01", "mrr": "", "currency": "USD"},
]
TWO = ("leads", "opportunities")
DEAL = {"opportunity_id": "o1", "stage": "open", "created_at": "2025-03-01T00:00:00Z", "amount": "5", "currency": "USD"}


def finding(name: str, tables: Mapping[str, Rows]) -> Finding:
    """What is missing for a metric over these tables."""
    evaluation = evaluation_over(tables)
    return GapFinder(evaluation).finding(evaluation.catalogue.metric(name))


def test_a_metric_with_all_its_data_has_no_gap() -> None:
    """Where every entity and field is there and filled, the metric is computable and nothing is missing."""
    found = finding("mrr", {"subscription_periods": PERIODS[:1]})
    assert (found.status, found.gaps, found.affected, found.reason) == ("computable", (), 0.0, "")


def test_an_entity_that_was_never_loaded_stops_a_metric() -> None:
    """The entity is named once, and what to do is said; a loaded entity without rows is no gap."""
    found = finding("mrr", {})
    assert (found.status, found.reason) == ("not computable", "subscription_periods was never loaded")
    assert [gap.name for gap in found.gaps] == ["subscription_periods"]
    assert found.affected == 1.0
    assert found.gaps[0].sentence().startswith("subscription_periods was never loaded (")
    assert found.gaps[0].sentence().endswith("map a source to it")
    assert finding("mrr", {"subscription_periods": []}).status == "computable"


def test_a_field_that_no_source_fills_stops_a_metric() -> None:
    """The field is named with its entity, and the mapping in which to add it."""
    rows = [{name: cell for name, cell in row.items() if name != "mrr"} for row in PERIODS]
    found = finding("mrr", {"subscription_periods": rows})
    assert (found.status, found.reason) == ("not computable", "no source fills subscription_periods.mrr")
    assert [(gap.name, gap.rows, gap.lacking) for gap in found.gaps] == [("subscription_periods.mrr", 2, 2)]
    assert found.gaps[0].sentence() == (
        "no source fills subscription_periods.mrr: add it to the mapping of subscription_periods"
    )


def test_a_required_field_that_is_empty_in_some_rows_makes_a_metric_partial() -> None:
    """The share of the rows that lack the field is told: one of two."""
    found = finding("mrr", {"subscription_periods": PERIODS})
    assert (found.status, found.affected, found.reason) == ("partial", 0.5, "")
    assert [gap.sentence() for gap in found.gaps] == ["subscription_periods.mrr is empty in 1 of 2 rows (50%)"]


def test_a_milestone_that_was_not_reached_is_no_gap() -> None:
    """A deal that is still open has no closing day; that is what it means and nothing is missing."""
    open_deal = {**DEAL, "closed_at": "", "is_won": "", "type": "new_business"}
    closed = {**open_deal, "opportunity_id": "o2", "closed_at": "2025-03-05T00:00:00Z", "is_won": "true"}
    assert finding("win_rate", {"opportunities": [open_deal, closed]}).status == "computable"


def test_all_that_a_formula_needs_is_told_once() -> None:
    """A metric of metrics lacks what its parts lack, each entity named a single time."""
    found = finding("net_new_mrr", {})
    assert [gap.name for gap in found.gaps] == ["subscription_periods"]
    found = finding("lead_to_opportunity_rate", {})
    assert {gap.entity for gap in found.gaps} == set(TWO)
    assert found.reason in {f"{one} and {other} were never loaded" for one, other in permutations(TWO)}


def test_entities_that_may_be_absent_are_not_asked_for() -> None:
    """Accounts and subscriptions only add dimensions and ends to MRR, so MRR does without them."""
    found = finding("mrr", {"subscription_periods": PERIODS[:1]})
    assert not {"accounts", "subscriptions", "exchange_rates"} & {gap.entity for gap in found.gaps}


def test_a_metric_that_needs_a_parameter_is_looked_into_all_the_same() -> None:
    """Without its parameter nothing can be computed, but what it would read is known."""
    assert finding("survival_rate", {}).status == "not computable"
    assert {gap.entity for gap in finding("survival_rate", {}).gaps} == {"subscription_periods"}
    assert finding("survival_rate", {"subscription_periods": PERIODS[:1]}).status == "computable"


@pytest.mark.parametrize("tables", [{}, {"subscription_periods": PERIODS}, {"opportunities": [DEAL]}])
def test_every_metric_has_a_status_and_a_reason_where_it_has_no_value(tables: Mapping[str, Rows]) -> None:
    """All metrics are found; what is not computable has a reason, what is partial has gaps, the others neither."""
    evaluation = evaluation_over(tables)
    findings = list(GapFinder(evaluation).findings())
    assert [found.metric.name for found in findings] == list(evaluation.catalogue.metrics)
    for found in findings:
        assert (found.status == "not computable") == bool(found.reason)
        assert (found.status == "computable") == (not found.gaps and not found.reason)
        assert len({gap.name for gap in found.gaps}) == len(found.gaps)


def test_the_share_of_a_gap() -> None:
    """Three of four rows are three quarters; where nothing was loaded the whole is missing."""
    assert Gap("leads", "channel", 4, 3).share == 0.75
    assert Gap("leads", None, 0, 0).share == 1.0


CONTRACT = {"account_id": "a", "signed_at": "2024-01-01T00:00:00Z", "starts_on": "2024-01-01", "ends_on": "2025-01-01"}


def test_a_reference_that_points_nowhere_is_a_gap() -> None:
    """One of three contracts names a successor that is not there: the renewal rate is partial, and says of what."""
    contracts = [
        {**CONTRACT, "contract_id": "c1", "renewed_by": "c3", "value": "10"},
        {**CONTRACT, "contract_id": "c2", "renewed_by": "c9", "value": "10"},
        {**CONTRACT, "contract_id": "c3", "renewed_by": "", "value": "10"},
    ]
    found = finding("renewal_rate", {"contracts": contracts})
    assert (found.status, found.reason) == ("partial", "")
    told = "contracts.renewed_by names no row of contracts in 1 of 3 rows (33%)"
    assert [(gap.sentence(), gap.astray) for gap in found.gaps] == [(told, True)]
    assert finding("renewal_rate", {"contracts": [contracts[0], contracts[2]]}).status == "computable"


def test_a_reference_into_a_table_that_was_never_loaded_is_no_gap() -> None:
    """Bills name contracts that nobody loaded: receivables need none, and nothing is missing for them."""
    bill = {"invoice_id": "i1", "account_id": "a", "contract_id": "k", "issued_on": "2025-01-01", "amount": "10"}
    assert finding("receivables", {"invoices": [bill], "payments": []}).status == "computable"
