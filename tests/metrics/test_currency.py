"""Currencies: rates by day, gaps, constant against spot rates, and the currency effect as a movement of its own."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.metrics.companies import Question, company
from tests.oracle.generate import World

from revgauge.catalogue.quotes import QuoteGap, quote_gaps


def stay(account: str, start: str, stop: str, mrr: str, currency: str) -> dict[str, str]:
    """A row of subscription periods; each account has one subscription."""
    row = {"subscription_id": f"s-{account}", "account_id": account, "valid_from": start, "valid_to": stop}
    return {**row, "mrr": mrr, "currency": currency}


def quote(currency: str, day: str, rate: str) -> dict[str, str]:
    """An exchange rate."""
    return {"currency": currency, "quoted_on": day, "rate": rate}


MOVEMENTS = ("new_mrr", "reactivation_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "currency_effect_mrr")

SWITCH: World = {
    "accounts": [{"account_id": "a", "segment": "smb"}, {"account_id": "b", "segment": "ent"}],
    "subscription_periods": [
        stay("a", "2025-01-01", "2025-02-10", "100", "EUR"),
        stay("a", "2025-02-10", "", "130", "USD"),
        stay("b", "2025-01-01", "", "50", "EUR"),
    ],
    "exchange_rates": [quote("EUR", "2024-12-31", "1.00"), quote("EUR", "2025-02-05", "1.20")],
}
"""In February EUR rises from 1.00 to 1.20; a, which pays 100 EUR, pays 130 USD from 10 February on."""


def test_a_change_of_currency_is_a_movement_at_the_rate_of_its_day() -> None:
    """On 5 February 150 EUR gain 30; on the 10th a moves from 100 EUR, then worth 120, to 130: an expansion of 10.

    From 150 at the end of January to 130 + 60 at that of February: 30 + 10.
    """
    with company(SWITCH, "2025-03-10") as asked:
        told = {one.metric: one.value for one in asked.values(*(Question(n, "2025-02") for n in (*MOVEMENTS, "mrr")))}
    assert told["currency_effect_mrr"] == 30
    assert told["expansion_mrr"] == 10
    assert told["mrr"] == 190
    assert sum(told[name] or 0 for name in ("new_mrr", "reactivation_mrr", "contraction_mrr", "churned_mrr")) == 0


def test_the_effect_of_each_segment_adds_up_to_the_whole() -> None:
    """Of the 30 that the rate did, a in smb has 20 and b in ent 10; the rows behind it say which rate moved when."""
    with company(SWITCH, "2025-03-10") as asked:
        segments = [Question("currency_effect_mrr", "2025-02", {"segment": segment}) for segment in ("smb", "ent")]
        parts = {value.dimensions["segment"]: value.value for value in asked.values(*segments)}
        listing = asked.rows("currency_effect_mrr", "2025-02")
    assert parts == {"smb": 20, "ent": 10}
    assert listing.agrees
    (part,) = listing.parts
    assert {(row["day"], row["rate_before"], row["rate"]) for row in part.rows} == {
        (date(2025, 2, 5), Decimal("1.00"), Decimal("1.20"))
    }


@pytest.mark.slow
def test_between_two_ends_the_effect_is_that_of_the_opening_rows() -> None:
    """With `netting = period` the 150 EUR of January are revalued from 1.00 to 1.20, and a falls or rises at the close.

    a is worth 120 at the closing rate and pays 130: the expansion is 10 again, and the effect 30.
    """
    with company(SWITCH, "2025-03-10") as asked:
        assert asked.value("currency_effect_mrr", "2025-02", netting="period").value == 30
        assert asked.value("expansion_mrr", "2025-02", netting="period").value == 10


@pytest.mark.slow
def test_at_constant_rates_retention_measures_customers_and_not_currencies() -> None:
    """The 50 EUR of b stay the same: at constant rates all of it is kept, at spot the rate alone makes it 120 %."""
    with company(SWITCH, "2025-03-10") as asked:
        for name in ("gross_revenue_retention", "net_revenue_retention"):
            assert asked.value(name, "2025-02", {"segment": "ent"}, window_months=1).value == 1
        spot = asked.value("net_revenue_retention", "2025-02", {"segment": "ent"}, window_months=1, fx="spot")
        fixed = asked.value("mrr", "2025-02", fx="constant", fx_on="2025-01-31")
    assert spot.value == Decimal("1.2")
    assert fixed.value == 130 + 50


def test_a_rate_alone_makes_no_movement_but_its_own() -> None:
    """Ten quotes in a month change what a customer's EUR are worth, and nobody joins, grows, shrinks or leaves."""
    quotes = [quote("EUR", f"2025-02-{day:02}", f"1.{day:02}") for day in range(1, 11)]
    world = {
        "subscription_periods": [stay("b", "2025-01-01", "", "50", "EUR")],
        "exchange_rates": [quote("EUR", "2025-01-01", "1.00"), *quotes],
    }
    with company(world, "2025-02-28") as asked:
        told = {name: asked.value(name, "2025-02").value for name in MOVEMENTS}
        assert asked.value("net_new_mrr", "2025-02", include_fx=True).value == 5
        assert asked.value("logo_churn_rate", "2025-02").value == 0
    assert told == {**dict.fromkeys(MOVEMENTS, 0), "currency_effect_mrr": 5}


def test_the_reporting_currency_is_worth_one_whatever_is_quoted() -> None:
    """A quote of the reporting currency itself is not looked at, and an amount without a currency is in it."""
    world = {
        "subscription_periods": [stay("a", "2025-01-01", "", "100", "USD"), stay("b", "2025-01-01", "", "7", "")],
        "exchange_rates": [quote("USD", "2025-01-01", "3.00"), quote("USD", "2025-02-10", "4.00")],
    }
    with company(world, "2025-02-28") as asked:
        worth, effect, new = asked.values(
            Question("mrr", "2025-02"), Question("currency_effect_mrr", "2025-02"), Question("new_mrr", "2025-01")
        )
        assert [worth.value, effect.value, new.value] == [107, 0, 107]
        assert quote_gaps(asked.evaluation.context) == []


def test_a_quote_of_tomorrow_is_not_known() -> None:
    """On 10 February the quote of the 11th is as if not there: the rate of January holds, and it has no effect yet."""
    world = {
        "subscription_periods": [stay("b", "2025-01-01", "", "50", "EUR")],
        "exchange_rates": [quote("EUR", "2025-01-01", "1.00"), quote("EUR", "2025-02-11", "2.00")],
    }
    for now, worth in (("2025-02-10", 50), ("2025-02-11", 100)):
        with company(world, now) as asked:
            told = asked.values(Question("mrr", "2025-02"), Question("currency_effect_mrr", "2025-02"))
            assert [value.value for value in told] == [worth, worth - 50]


def test_a_gap_voids_only_what_needs_it() -> None:
    """A customer in CHF without a quote: what is converted has no value and says so; counting goes on."""
    world = {
        "subscription_periods": [stay("a", "2025-01-01", "", "100", "USD"), stay("c", "2025-01-01", "", "9", "CHF")],
        "exchange_rates": [quote("EUR", "2025-01-01", "1.00")],
    }
    unknown = ("mrr", "arr", "currency_effect_mrr", "average_revenue_per_account", "revenue")
    known = ("active_customers", "new_customers", "churned_mrr", "logo_churn_rate")
    with company(world, "2025-02-28") as asked:
        told = asked.values(*(Question(name, "2025-02") for name in (*unknown, *known)))
    assert [value.metric for value in told if value.value is None] == list(unknown)
    assert all("no exchange rate" in value.reason for value in told if value.value is None)


def test_old_quotes_and_currencies_without_one_are_told() -> None:
    """EUR is quoted on 1 and 21 January and on 25 February, and `now` is 1 March: held for 19, 34 and 4 days.

    Beyond seven days that is 12 + 27 days; the longest stretch is from 21 January to 24 February. CHF has no quote for
    its two rows. GBP is quoted and not used.
    """
    world = {
        "subscription_periods": [stay("a", "2025-01-02", "", "100", "EUR"), stay("c", "2025-01-01", "", "9", "CHF")],
        "invoices": [
            {"invoice_id": "i", "account_id": "c", "amount": "9", "currency": "CHF", "issued_on": "2025-01-01"}
        ],
        "exchange_rates": [
            *(quote("EUR", day, "1.00") for day in ("2025-01-01", "2025-01-21", "2025-02-25", "2025-03-20")),
            quote("GBP", "2025-01-01", "1.30"),
        ],
    }
    with company(world, "2025-03-01") as asked:
        chf, eur = quote_gaps(asked.evaluation.context)
    assert chf == QuoteGap("CHF", 2)
    assert chf.sentence() == "CHF has no quote: 2 rows are in it, and figures that need it have no value"
    assert eur == QuoteGap("EUR", 1, date(2025, 1, 1), 12 + 27, (date(2025, 1, 21), date(2025, 2, 24)))
    assert eur.sentence() == (
        "EUR is converted at a quote more than 7 days old on 39 days since 2025-01-01; "
        "at worst that of 2025-01-21 held for 34 days, to 2025-02-24"
    )
