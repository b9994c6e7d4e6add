"""Money adds up along the chain from deal to contract to bill to payment, and to pay."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from tests.demo.exports_read import Exports, Row, day

from revgauge.demo.clock import add_months

pytestmark = pytest.mark.slow


def _won(exports: Exports) -> list[Row]:
    return [row for row in exports.rows("opportunities") if row["is_won"] == "TRUE"]


def test_each_deal_won_has_one_contract_of_its_value(exports: Exports) -> None:
    """Every won deal is followed by exactly one contract of the same amount and currency, signed as the deal closed."""
    contracts: dict[str, list[Row]] = defaultdict(list)
    for row in exports.rows("contracts"):
        contracts[row["opportunity_id"]].append(row)
    for deal in _won(exports):
        (contract,) = contracts[deal["opportunity_id"]]
        assert (contract["value"], contract["currency"]) == (deal["amount"], deal["currency"])
        assert (contract["signed_at"], contract["account_id"]) == (deal["closed_at"], deal["account_id"])


def test_new_business_starts_a_subscription_at_the_price_of_the_contract(exports: Exports) -> None:
    """The subscription of a won first deal starts within two weeks, at the contract's value over its months."""
    subscriptions = exports.by_key("subscriptions", "subscription_id")
    first_price: dict[str, Row] = {}
    for row in exports.rows("subscription_periods"):
        first_price.setdefault(row["subscription_id"], row)
    kinds = {row["opportunity_id"]: row["type"] for row in _won(exports)}
    checked = 0
    for contract in exports.rows("contracts"):
        if kinds.get(contract["opportunity_id"]) == "New Business":
            subscription = subscriptions[contract["subscription_id"]]
            waited = day(subscription["started_on"]) - day(contract["signed_at"])
            assert timedelta(0) <= waited <= timedelta(days=16)
            cents = Decimal(first_price[contract["subscription_id"]]["mrr"]) * int(subscription["term_months"])
            assert cents == Decimal(contract["value"]) * 100
            checked += 1
    assert checked > 200


def test_bills_of_a_contract_that_ran_its_term_add_up_to_its_value(exports: Exports) -> None:
    """Where the subscription outlived the term, the bills issued in the term are the contract's value to the cent.

    `EndDate` is the last day of the term. The bill of a renewal that was signed late, or of a month that begins on a
    weekend, is issued some days later, so bills are counted from the start to the end and never before.
    """
    subscriptions = exports.by_key("subscriptions", "subscription_id")
    billed: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for row in exports.rows("invoices"):
        if row["kind"] == "invoice":
            billed[row["contract_id"]].append((day(row["issued_on"]), Decimal(row["amount"])))
    checked = 0
    for contract in exports.rows("contracts"):
        last, ended = day(contract["ends_on"]), subscriptions[contract["subscription_id"]]["ended_on"]
        if last < date(2026, 1, 1) and (not ended or day(ended) > last):
            total = sum(amount for issued_on, amount in billed[contract["contract_id"]] if issued_on <= last)
            assert total == Decimal(contract["value"]) * 100, contract["contract_id"]
            checked += 1
    assert checked > 500


def test_a_price_lasts_until_the_next_one_or_the_end(exports: Exports) -> None:
    """The prices of a subscription follow each other without gap or overlap, from its start to its end."""
    subscriptions = exports.by_key("subscriptions", "subscription_id")
    prices: dict[str, list[Row]] = defaultdict(list)
    for row in exports.rows("subscription_periods"):
        prices[row["subscription_id"]].append(row)
    assert prices.keys() == subscriptions.keys()
    for key, rows in prices.items():
        starts = [row["valid_from"] for row in rows]
        assert starts == sorted(starts)
        assert starts[0] == subscriptions[key]["started_on"]
        assert [row["valid_to"] for row in rows] == [*starts[1:], subscriptions[key]["ended_on"]]


def test_nobody_pays_more_than_was_billed(exports: Exports) -> None:
    """Payments of a bill never pass its amount, and money goes back only where it came in."""
    bills = exports.by_key("invoices", "invoice_id")
    paid: dict[str, Decimal] = defaultdict(Decimal)
    back: dict[str, Decimal] = defaultdict(Decimal)
    for row in exports.rows("payments"):
        (paid if row["kind"] == "payment" else back)[row["invoice_id"]] += Decimal(row["amount"])
        assert row["currency"] == bills[row["invoice_id"]]["currency"]
    assert back
    assert all(amount <= Decimal(bills[key]["amount"]) for key, amount in paid.items())
    assert all(amount <= paid[key] for key, amount in back.items())


def test_credit_notes_name_a_bill_of_the_same_account(exports: Exports) -> None:
    """A credit note reduces a bill of its own account and contract, by no more than its amount."""
    bills = exports.by_key("invoices", "invoice_id")
    notes = [row for row in exports.rows("invoices") if row["kind"] == "credit_note"]
    assert notes
    for note in notes:
        bill = bills[note["applies_to"]]
        assert (note["account_id"], note["contract_id"]) == (bill["account_id"], bill["contract_id"])
        assert int(note["amount"]) <= int(bill["amount"])


def _expected_pay(exports: Exports) -> dict[tuple[date, str], Decimal]:
    """What each quota earns by the pay plans: the marginal rate of each band on the part of the credit in it."""
    quotes: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for row in exports.rows("exchange_rates"):
        quotes[row["currency"]].append((day(row["quoted_on"]), Decimal(row["rate"])))
    shares: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for row in exports.rows("opportunity_splits"):
        if row["kind"] == "revenue":
            shares[row["opportunity_id"]].append((row["person_id"], Decimal(row["share"])))
    credit: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for deal in _won(exports):
        if deal["type"] != "Renewal":
            closed = day(deal["closed_at"])
            known = [rate for quoted_on, rate in quotes.get(deal["currency"], []) if quoted_on <= closed]
            value = Decimal(deal["amount"]) * (known[-1] if known else Decimal(1))
            quarter = date(closed.year, (closed.month - 1) // 3 * 3 + 1, 1)
            for person, share in shares.get(deal["opportunity_id"]) or [(deal["owner_id"], Decimal(1))]:
                credit[quarter, person] += value * share
    roles = {row["person_id"]: row["role"] for row in exports.rows("people")}
    expected = {}
    for quota in exports.rows("quotas"):
        quarter, person = day(quota["period_start"]), quota["person_id"]
        valid = [
            row
            for row in exports.rows("commission_rates")
            if day(row["valid_from"]) <= quarter and (not row["valid_to"] or quarter < day(row["valid_to"]))
        ]
        bands = [row for row in valid if row["person_id"] == person] or [r for r in valid if r["role"] == roles[person]]
        earned, goal = Decimal(0), Decimal(quota["amount"])
        for band in bands:
            low = Decimal(band["attainment_from"]) * goal
            high = Decimal(band["attainment_to"]) * goal if band["attainment_to"] else credit[quarter, person]
            earned += max(Decimal(0), min(credit[quarter, person], high) - low) * Decimal(band["rate"])
        expected[quarter, person] = earned.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {key: amount for key, amount in expected.items() if amount and add_months(key[0], 3) <= date(2026, 1, 14)}


def test_one_commission_is_wrong_and_all_others_are_right_to_the_cent(exports: Exports) -> None:
    """Story 5: recomputed from deals, splits, rates and bands, a single pay line differs, and it is too high."""
    expected = _expected_pay(exports)
    paid = {(day(row["period_start"]), row["person_id"]): Decimal(row["amount"]) for row in exports.rows("commissions")}
    assert paid.keys() == expected.keys()
    wrong = [key for key in paid if paid[key] != expected[key]]
    assert len(wrong) == 1
    assert wrong[0][0] == date(2024, 7, 1)
    assert paid[wrong[0]] - expected[wrong[0]] > 1000
    told = (exports.folder / "README.md").read_text(encoding="utf-8")
    assert f"paid {paid[wrong[0]]} dollars instead of {expected[wrong[0]]}" in told
