"""Renewals: against the reference calculation, what must hold in any world, and single rules of the standard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.catalogue.worlds import Rows, evaluation_over
from tests.metrics.drawn import Cells, Look
from tests.metrics.oracle_check import differences
from tests.oracle.generate import now_of
from tests.oracle.generate_billing import RENEWAL_PARAMS, billing_questions, billing_world

from revgauge.catalogue.context import Settings
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.rows import RowFinder

NOW = date(2025, 7, 10)
REASONS = ("auto", "value", "relationship", "unknown")
TIMINGS = ("early", "on_time", "late")
RATES = ("renewal_rate", "renewal_rate_value", "renewal_reason_share", "renewal_timing_share")


# -- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 400, 401, 402, 403, 404])
def test_renewals_agree_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Every metric of renewals equals the slow reference calculation, in drawn worlds, variants, periods and slices."""
    asked = billing_questions(seed, RENEWAL_PARAMS, count=35)
    found = list(differences(billing_world(seed), asked, seed, tmp_path))
    assert {question.metric for question in asked} == set(RENEWAL_PARAMS)
    assert not found, "\n".join(found)


# -- what holds in any world ------------------------------------------------------------------------------------------


def seen(seed: int, now: date | None = None) -> Cells:
    """What the identities need of the world of a seed, as known on a day."""
    look = Look(billing_world(seed), seed, now)
    first = Look(billing_world(seed), seed)
    months = first.last(8, complete=True)
    look.ask(("renewals_due", *RATES), months)
    look.ask(("renewals_due",), months, measure="count")
    look.ask(("renewal_rate_value",), months, measure="net")
    look.ask(("renewal_rate",), months, unit="contract")
    look.ask(("renewal_reason_share",), months, "renewal_reason")
    look.ask(("renewal_timing_share",), months, "timing")
    look.ask(("renewals_due",), months, "segment")
    look.ask(("renewals_due",), months, "auto_renew", measure="count")
    return look.cells()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7, 21])
def test_parts_of_renewals_make_the_whole(seed: int) -> None:
    """Shares by reason and by timing add up to 1, what is due by segment and by kind to all that is due."""
    cells = seen(seed)
    months = sorted({key[2] for key in cells.values})
    told = 0
    for month in months:
        for metric, name, values in (
            ("renewal_reason_share", "renewal_reason", REASONS),
            ("renewal_timing_share", "timing", TIMINGS),
        ):
            parts = [cells.get(metric, month, f"{name}={value}") for value in values]
            if cells.get(metric, month) is not None:
                told += 1
                assert sum(part or 0 for part in parts) == pytest.approx(1)
        due = cells.get("renewals_due", month)
        if due is not None:
            by_segment = [cells.get("renewals_due", month, cut) for cut in cells.cuts("segment")]
            assert sum(part or 0 for part in by_segment) == due
        number = cells.get("renewals_due", month, measure="count")
        kinds = [cells.get("renewals_due", month, cut, measure="count") for cut in cells.cuts("auto_renew")]
        assert sum(part or 0 for part in kinds) == number
    assert told


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7, 21])
def test_value_renewed_stays_below_value_due(seed: int) -> None:
    """The capped rate by value is between 0 and 1 and never above the rate without the cap."""
    cells = seen(seed)
    for month in sorted({key[2] for key in cells.values}):
        gross = cells.get("renewal_rate_value", month)
        net = cells.get("renewal_rate_value", month, measure="net")
        assert (gross is None) == (net is None)
        if gross is not None and net is not None:
            assert 0 <= gross <= 1
            assert gross <= net


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 8, 22])
def test_a_provisional_rate_can_only_rise_and_any_other_is_final(seed: int) -> None:
    """Seen twenty days later, the rate of a past month has not fallen, and without the mark it has not moved."""
    now = date.fromisoformat(now_of(seed))
    before, after = seen(seed, now), seen(seed, now + timedelta(days=20))
    compared = 0
    for (metric, params, month, cut), early in before.values.items():
        if metric != "renewal_rate" or cut:
            continue
        late = after.values[metric, params, month, cut]
        assert (early.value is None) == (late.value is None)
        if early.value is not None and late.value is not None:
            compared += 1
            assert late.value >= early.value
            assert late.value == early.value or "provisional" in early.marks
    assert compared


# -- single rules -----------------------------------------------------------------------------------------------------


def contract(key: str, ends_on: str, renewed_by: str = "", **fields: str) -> dict[str, str]:
    """A contract of 1200 for the year up to a day, signed at noon of its first day."""
    starts_on = f"{int(ends_on[:4]) - 1}{ends_on[4:]}"
    row = {
        "contract_id": key,
        "account_id": fields.get("account_id", key[0]),
        "subscription_id": "",
        "signed_at": f"{starts_on}T12:00:00Z",
        "starts_on": starts_on,
        "ends_on": ends_on,
        "value": "1200",
        "currency": "USD",
        "auto_renew": "false",
        "renewed_by": renewed_by,
        "renewal_reason": "",
    }
    return row | fields


@lru_cache(maxsize=2)
def looked_at(tables: str, now: date, zone: str) -> Evaluation:
    """An evaluation of tables written as JSON, shared by the questions about them."""
    return evaluation_over(json.loads(tables), settings=Settings(now, "USD", zone))


def asked(
    contracts: Rows,
    metric: str,
    period: str = "2025-03",
    *,
    others: Mapping[str, Rows] | None = None,
    only: Mapping[str, str] | None = None,
    now: date = NOW,
    zone: str = "UTC",
    **params: Any,
) -> Value:
    """One value over these contracts, on 10 July 2025."""
    evaluation = looked_at(json.dumps({"contracts": contracts, **(others or {})}), now, zone)
    request = Request(metric, (evaluation.context.calendar.parse(period),), params, only=only or {})
    return next(iter(evaluation.results([request])[0].values()))


@pytest.mark.parametrize(
    ("signed_at", "zone", "late"),
    [
        ("2025-04-01T03:30:00Z", "America/New_York", "on_time"),
        ("2025-04-01T04:30:00Z", "America/New_York", "late"),
        ("2025-03-31T22:30:00Z", "Europe/Berlin", "late"),
    ],
)
def test_a_signature_falls_on_a_day_of_the_reporting_zone(signed_at: str, zone: str, late: str) -> None:
    """Half past three UTC is the evening before in New York, half past ten the day after in Berlin."""
    contracts = [
        contract("a1", "2025-03-31", "a2", signed_at="2024-03-31T00:00:00Z"),
        contract("a2", "2026-03-31", signed_at=signed_at),
    ]
    value = asked(contracts, "renewal_timing_share", only={"timing": late}, zone=zone)
    assert value.value == 1


@pytest.mark.parametrize(("signed_on", "rate"), [("2025-04-30", 1), ("2025-05-01", 0)])
def test_the_last_day_of_the_grace_still_counts(signed_on: str, rate: int) -> None:
    """Due on 31 March, thirty days of grace end with 30 April."""
    contracts = [contract("a1", "2025-03-31", "a2"), contract("a2", "2026-03-31", signed_at=f"{signed_on}T12:00:00Z")]
    assert asked(contracts, "renewal_rate").value == rate


def test_a_contract_that_names_itself_or_nobody_is_not_renewed() -> None:
    """Neither can follow, and the listing says why; of four only the third is renewed."""
    contracts = [
        contract("a1", "2025-03-10", "a1"),
        contract("b1", "2025-03-11", "nowhere"),
        contract("c1", "2025-03-12", "c2"),
        contract("c2", "2026-03-12"),
        contract("d1", "2025-03-13", "d2"),
        contract("d2", "2026-03-13", signed_at="2025-06-30T00:00:00Z"),
    ]
    assert asked(contracts, "renewal_rate").value == Decimal("0.25")
    evaluation = evaluation_over({"contracts": contracts}, settings=Settings(NOW))
    request = Request("renewal_rate", (evaluation.context.calendar.parse("2025-03"),))
    listing = RowFinder(evaluation).listing(request)
    assert listing.agrees
    reasons = {row["contract_id"]: row["reason"] for row in listing.parts[0].left_out}
    assert reasons == {
        "a1": "renewed_by names a1, which is no other contract: it counts as not renewed",
        "b1": "renewed_by names nowhere, which is no other contract: it counts as not renewed",
        "d1": "d2 was not signed within the grace: it counts as not renewed",
    }


def test_each_link_of_a_chain_is_renewed_by_the_next() -> None:
    """Three contracts after one another: two renewals, each in the month in which it was due."""
    contracts = [
        contract("a1", "2024-03-31", "a2"),
        contract("a2", "2025-03-31", "a3"),
        contract("a3", "2026-03-31"),
    ]
    for month in ("2024-03", "2025-03"):
        assert asked(contracts, "renewal_rate", month).value == 1
    assert asked(contracts, "renewals_due", "all", measure="count").value == 2


def test_customers_count_once_and_merged_ones_together() -> None:
    """The merged account has one contract renewed and one not: of one customer one, of two contracts one."""
    contracts = [contract("a1", "2025-03-10"), contract("b1", "2025-03-11", "b2"), contract("b2", "2026-03-11")]
    accounts = {"accounts": [{"account_id": "a", "duplicate_of": "b"}, {"account_id": "b", "duplicate_of": ""}]}
    assert asked(contracts, "renewal_rate", others=accounts).value == 1
    assert asked(contracts, "renewal_rate", others=accounts, unit="contract").value == Decimal("0.5")
    assert asked(contracts, "renewal_rate", others=accounts, only={"account_id": "b"}).value == 1


LIVE = {"subscription_id": "s", "account_id": "a", "valid_from": "2024-01-01", "mrr": "100", "currency": "USD"}


def test_a_contract_renews_by_itself_where_its_subscription_goes_on() -> None:
    """Due on 10 March: the subscription must have recurring revenue on that day, which is the first after the term."""
    cases: list[tuple[dict[str, str], dict[str, str], int]] = [
        ({"valid_to": ""}, {}, 1),
        ({"valid_to": "2025-03-12"}, {}, 1),
        ({"valid_to": "2025-03-11"}, {}, 1),
        ({"valid_to": "2025-03-10"}, {}, 0),
        ({"valid_to": "", "is_trial": "true"}, {}, 0),
        ({"valid_to": "", "mrr": "0"}, {}, 0),
        ({"valid_to": "", "mrr": "-5"}, {}, 0),
        ({"valid_to": ""}, {"ended_on": "2025-03-10"}, 0),
        ({"valid_to": ""}, {"ended_on": "2025-03-11"}, 1),
    ]
    owned = [{"account_id": f"a{number}", "subscription_id": f"s{number}"} for number in range(len(cases))]
    tables: dict[str, Rows] = {
        "contracts": [contract(f"c{n}", "2025-03-10", auto_renew="true", **own) for n, own in enumerate(owned)],
        "subscription_periods": [
            LIVE | {"is_trial": "false"} | own | period for own, (period, _, _) in zip(owned, cases, strict=True)
        ],
        "subscriptions": [
            {"ended_on": ""} | own | subscription for own, (_, subscription, _) in zip(owned, cases, strict=True)
        ],
    }
    evaluation = evaluation_over(tables, settings=Settings(NOW))
    for infer, expected in ((True, [rate for *_, rate in cases]), (False, [0] * len(cases))):
        period = evaluation.context.calendar.parse("2025-03")
        request = Request("renewal_rate", (period,), {"infer_auto": infer}, by=("account_id",))
        (result,) = evaluation.results([request])
        found = {value.dimensions["account_id"]: value.value for value in result.values()}
        assert found == dict(zip([own["account_id"] for own in owned], expected, strict=True))


@pytest.mark.slow
def test_only_a_contract_that_says_so_renews_by_itself() -> None:
    """Nothing is inferred without `auto_renew`, without a subscription, or where a successor is named."""
    for fields in (
        {"auto_renew": "", "subscription_id": "s"},
        {"auto_renew": "true", "subscription_id": ""},
        {"auto_renew": "true", "subscription_id": "s", "renewed_by": "nowhere"},
    ):
        contracts = [contract("a1", "2025-03-10", **fields)]
        assert asked(contracts, "renewal_rate", others={"subscription_periods": [LIVE]}).value == 0


def test_without_subscriptions_it_is_said_that_renewals_may_be_missing() -> None:
    """Where no subscription was ever loaded nobody can see what renewed by itself: the value is marked."""
    contracts = [contract("a1", "2025-03-10", auto_renew="true", subscription_id="s")]
    value = asked(contracts, "renewal_rate")
    assert value.value == 0
    assert "without renewals by themselves" in value.marks
    assert asked(contracts, "renewal_rate", infer_auto=False).marks == ("few",)
    assert "without renewals by themselves" not in asked([contract("a1", "2025-03-10")], "renewal_rate").marks


def test_what_renewed_by_itself_did_so_on_the_day_for_no_other_reason() -> None:
    """Its reason is `auto` whatever the row says, its timing on time, and its value unchanged."""
    contracts = [contract("a1", "2025-03-10", auto_renew="true", subscription_id="s", renewal_reason="value")]
    others = {"subscription_periods": [LIVE]}
    assert asked(contracts, "renewal_reason_share", others=others, only={"renewal_reason": "auto"}).value == 1
    assert asked(contracts, "renewal_timing_share", others=others, only={"timing": "on_time"}).value == 1
    assert asked(contracts, "renewal_rate_value", others=others, measure="net").value == 1


def test_a_word_that_is_no_reason_is_unknown() -> None:
    """A reason outside the list is counted as unknown, so that the shares still add up to 1."""
    contracts = [contract("a1", "2025-03-10", "a2", renewal_reason="mood"), contract("a2", "2026-03-10")]
    assert asked(contracts, "renewal_reason_share", only={"renewal_reason": "unknown"}).value == 1
    assert asked(contracts, "renewal_reason_share", only={"renewal_reason": "value"}).value == 0


def test_the_annual_value_counts_thirtieths_of_a_month() -> None:
    """From 15 January to 10 March are 2 - 5/30 months: 550 for it is 550 x 12 / (11/6) = 3600 a year."""
    contracts = [contract("a1", "2025-03-10", starts_on="2025-01-15", value="550")]
    assert asked(contracts, "renewals_due").value == 3600


def test_both_contracts_are_worth_what_they_are_on_the_due_day() -> None:
    """1000 EUR at 1.2 on 10 March, renewed at 1100 USD: 1100 of 1200, however the euro moves later."""
    contracts = [
        contract("a1", "2025-03-10", "a2", value="1000", currency="EUR"),
        contract("a2", "2026-03-10", value="1100", signed_at="2025-04-01T00:00:00Z"),
    ]
    quotes = [("2024-01-01", "1.1"), ("2025-03-10", "1.2"), ("2025-03-11", "2")]
    rates = {"exchange_rates": [{"currency": "EUR", "quoted_on": day, "rate": rate} for day, rate in quotes]}
    assert asked(contracts, "renewals_due", others=rates).value == 1200
    assert float(asked(contracts, "renewal_rate_value", others=rates).value or 0) == pytest.approx(1100 / 1200)


def test_a_value_that_is_not_known_makes_sums_null_and_counts_stand() -> None:
    """No value, no term or no rate: what is due cannot be told, the number and the rate by customers can.

    Each is a segment of its own, in which another customer's contract is known.
    """
    unknown = [{"value": ""}, {"starts_on": ""}, {"starts_on": "2025-03-10"}, {"currency": "CHF"}]
    contracts = [
        row
        for number, fields in enumerate(unknown)
        for row in (
            contract(f"a{number}", "2025-03-10", account_id=f"a{number}", **fields),
            contract(f"b{number}", "2025-03-11", account_id=f"b{number}"),
        )
    ]
    accounts = [{"account_id": row["account_id"], "segment": row["account_id"][1:]} for row in contracts]
    evaluation = evaluation_over({"contracts": contracts, "accounts": accounts}, settings=Settings(NOW))
    month = (evaluation.context.calendar.parse("2025-03"),)
    requests = [
        Request("renewals_due", month, by=("segment",)),
        Request("renewal_rate_value", month, by=("segment",)),
        Request("renewals_due", month, {"measure": "count"}, by=("segment",)),
        Request("renewal_rate", month, by=("segment",)),
    ]
    for due, rate_by_value, number, rate in zip(*(one.values() for one in evaluation.results(requests)), strict=True):
        assert due.value is None
        assert "what a contract is worth a year is not known" in due.reason
        assert rate_by_value.value is None
        assert (number.value, rate.value) == (2, 0)


def test_what_is_undecided_is_marked_and_can_be_left_out() -> None:
    """Due on 1 July with nine days of grace gone, one contract is open: half is renewed so far, all of the decided."""
    contracts = [contract("a1", "2025-07-01", "a2"), contract("a2", "2026-07-01"), contract("b1", "2025-07-02")]
    value = asked(contracts, "renewal_rate", "2025-07")
    assert (value.value, value.marks) == (Decimal("0.5"), ("to date", "provisional", "few"))
    decided = asked(contracts, "renewal_rate", "2025-07", pending="exclude")
    assert decided.value == 1
    assert "provisional" in decided.marks
    over = asked(contracts, "renewal_rate", "2025-07", late_grace_days=7)
    assert "provisional" not in over.marks


def test_tables_that_are_missing_give_null_and_empty_ones_nothing() -> None:
    """Nothing due is an amount of 0 and no rate; contracts that were never loaded are neither."""
    evaluation = evaluation_over({"accounts": []}, settings=Settings(NOW))
    month = evaluation.context.calendar.parse("2025-03")
    for result in evaluation.results([Request(name, (month,)) for name in ("renewals_due", *RATES)]):
        (value,) = result.values()
        assert value.value is None
        assert "contracts was never loaded" in value.reason
    for measure in ("value", "count"):
        assert asked([contract("a1", "2025-06-10")], "renewals_due", measure=measure).value == 0
    for name in RATES:
        assert asked([contract("a1", "2025-06-10")], name).value is None


def test_a_field_that_no_source_fills_is_told_where_it_is_needed() -> None:
    """Without values nothing can be said of money, even where nothing is due; numbers and rates need none."""
    rows = [{name: cell for name, cell in contract("a1", "2025-06-10").items() if name != "value"}]
    for name in ("renewals_due", "renewal_rate_value"):
        value = asked(rows, name)
        assert (value.value, value.reason) == (None, "no source fills contracts.value")
    assert asked(rows, "renewals_due", measure="count").value == 0
    assert asked(rows, "renewal_rate", "2025-06").value == 0
