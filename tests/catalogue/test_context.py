"""The surroundings of an evaluation: exchange rates, merged records, what is known on a day, what is missing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalogue.worlds import NOW, warehouse_over

from revgauge.catalogue.context import Context, Rates, Settings, follow, missing_words
from revgauge.catalogue.facts import Scope

QUOTES = [
    ("EUR", date(2025, 1, 10), Decimal("1.10")),
    ("EUR", date(2025, 3, 1), Decimal("1.20")),
    ("GBP", date(2025, 2, 1), Decimal("1.30")),
]


def test_a_rate_is_the_last_quote_on_or_before_the_day() -> None:
    """On the day of a quote it holds, the day before the older one does, and before the first there is none."""
    rates = Rates(QUOTES[::-1], "USD")
    assert rates.on("EUR", date(2025, 1, 9)) is None
    assert rates.on("EUR", date(2025, 1, 10)) == Decimal("1.10")
    assert rates.on("EUR", date(2025, 2, 28)) == Decimal("1.10")
    assert rates.on("EUR", date(2025, 3, 1)) == Decimal("1.20")
    assert rates.on("EUR", date(2035, 1, 1)) == Decimal("1.20"), "a quote holds however old it is"
    assert rates.on("CHF", date(2025, 3, 1)) is None
    assert rates.on("USD", date(1990, 1, 1)) == 1


def test_the_days_on_which_a_rate_changes() -> None:
    """Both ends of the days asked for count."""
    rates = Rates(QUOTES, "USD")
    assert rates.changes("EUR", date(2025, 1, 10), date(2025, 3, 1)) == [date(2025, 1, 10), date(2025, 3, 1)]
    assert rates.changes("EUR", date(2025, 1, 11), date(2025, 2, 28)) == []
    assert rates.changes("CHF", date(2025, 1, 1), date(2025, 12, 31)) == []
    assert rates.currencies == ("EUR", "GBP")


@given(
    quotes=st.dictionaries(st.dates(date(2025, 1, 1), date(2025, 3, 1)), st.integers(1, 9), max_size=6),
    last=st.dates(date(2024, 12, 1), date(2025, 4, 1)),
)
def test_the_rate_of_every_day_is_the_same_told_either_way(quotes: dict[date, int], last: date) -> None:
    """The table of a rate for every day agrees with asking day by day, and ends with the last day."""
    rates = Rates([("EUR", day, Decimal(rate)) for day, rate in quotes.items()], "USD")
    daily = {day: rate for _, day, rate in rates.daily(last)}
    assert all(rates.on("EUR", day) == rate for day, rate in daily.items())
    first = min(quotes, default=date.max)
    assert len(daily) == max(0, (last - first).days + 1 if first <= last else 0)


def test_quotes_of_the_future_are_not_there() -> None:
    """A quote after `now` is not known yet, whatever day is asked for, and a quote without a rate is none."""
    rows = [
        {"currency": "EUR", "quoted_on": "2025-03-01", "rate": "1.1"},
        {"currency": "EUR", "quoted_on": "2025-03-15", "rate": ""},
        {"currency": "EUR", "quoted_on": "2025-04-01", "rate": "9.9"},
    ]
    rates = Context(warehouse_over({"exchange_rates": rows}), Settings(NOW)).rates
    assert rates.on("EUR", date(2025, 5, 1)) == Decimal("1.1")
    assert Context(warehouse_over({}), Settings(NOW)).rates.currencies == ()


@pytest.mark.parametrize(
    ("links", "ends"),
    [
        ({}, {}),
        ({"b": "a"}, {"b": "a"}),
        ({"c": "b", "b": "a"}, {"c": "a", "b": "a"}),
        ({"a": "a"}, {"a": "a"}),
        ({"b": "a", "a": "a"}, {"b": "a", "a": "a"}),
    ],
)
def test_a_chain_of_merged_records_ends_at_its_survivor(links: dict[str, str], ends: dict[str, str]) -> None:
    """A record merged into one that was merged itself counts under the last; one merged into itself is its own."""
    assert follow(links) == ends


@given(links=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")))
def test_loops_of_merged_records_end(links: dict[str, str]) -> None:
    """Every chain ends, whatever loops there are, at a record that ends at itself or was never merged."""
    ends = follow(links)
    assert ends.keys() == links.keys()
    assert all(ends.get(end, end) == end for end in ends.values())


ACCOUNTS = [
    {"account_id": "group", "parent_account_id": "", "duplicate_of": ""},
    {"account_id": "left", "parent_account_id": "group", "duplicate_of": ""},
    {"account_id": "left2", "parent_account_id": "", "duplicate_of": "left"},
    {"account_id": "leaf", "parent_account_id": "left2", "duplicate_of": ""},
]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("account", {"group": "group", "left": "left", "left2": "left", "leaf": "leaf"}),
        ("parent", {"group": "group", "left": "group", "left2": "group", "leaf": "group"}),
    ],
)
def test_rows_count_under_the_survivor_or_the_top_of_the_group(level: str, expected: dict[str, str]) -> None:
    """A merged account counts as its survivor, and by level parent all count under the top, through merges too."""
    context = Context(warehouse_over({"accounts": ACCOUNTS}), Settings(NOW))
    table = context.warehouse.literal_table({"was": "string", "account_id": "string"}, [(key, key) for key in expected])
    assert dict(context.warehouse.pairs(context.resolved(table, level=level))) == expected


def test_amounts_are_joined_with_the_rate_of_their_day() -> None:
    """An amount in the reporting currency, or without a currency, is worth 1 a unit; without a quote there is none."""
    rows = [{"currency": "EUR", "quoted_on": "2025-03-01", "rate": "1.1"}]
    context = Context(warehouse_over({"exchange_rates": rows}), Settings(NOW))
    days = [("EUR", date(2025, 3, 5)), ("EUR", date(2025, 2, 1)), ("USD", date(2025, 2, 1)), (None, date(2025, 3, 1))]
    table = context.warehouse.literal_table({"currency": "string", "day": "date"}, days)
    found = {row[:2]: row[2] for row in context.warehouse.pairs(context.with_rate(table, "currency", "day"))}
    assert [found[pair] for pair in days] == [Decimal("1.1"), None, Decimal(1), Decimal(1)]


def test_the_day_now_ends_at_midnight_of_the_reporting_zone() -> None:
    """31 March ends in New York at 04:00 UTC of 1 April; an instant a second earlier is known, that one is not."""
    context = Context(warehouse_over({}), Settings(NOW, time_zone="America/New_York"))
    instants = context.warehouse.literal_table({"text": "string"}, [("2025-04-01 03:59:59",), ("2025-04-01 04:00:00",)])
    moment = instants.text.cast("timestamp")
    told = instants.select(known=context.known(moment).notnull(), before=moment < context.end()).order_by("known")
    assert context.warehouse.pairs(told) == [(False, False), (True, True)]


def test_what_is_missing_is_told_in_a_sentence() -> None:
    """Tables that were never loaded and fields that no source fills are named apart; of the rest nothing is said."""
    context = Context(
        warehouse_over({"leads": [{"lead_id": "l1", "created_at": "2025-03-01T00:00:00Z"}]}), Settings(NOW)
    )
    assert context.missing(["leads", "leads.lead_id"]) == []
    assert context.lacking("leads.lead_id") == ""
    assert context.lacking("leads.channel", "tickets", "contracts.value", "tickets.opened_at") == (
        "tickets and contracts were never loaded; no source fills leads.channel"
    )
    assert missing_words(["tickets"]) == "tickets was never loaded"


def test_a_scope_changes_only_what_is_looked_at() -> None:
    """Within a scope the same warehouse and settings are seen, for other periods or by product."""
    context = Context(warehouse_over({}), Settings(NOW))
    month = context.calendar.parse("2025-03")
    inside = context.within(Scope(("product",), (month,)))
    assert (inside.whole_by, inside.periods) == (("product",), (month,))
    assert (context.whole_by, context.periods) == ((), ())
    assert inside.warehouse is context.warehouse
