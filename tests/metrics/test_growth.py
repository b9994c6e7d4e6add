"""Growth, market and people: what must hold in any world, and single rules of the standard."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.catalogue.worlds import Rows, evaluation_over
from tests.metrics.companies import Question
from tests.metrics.drawn import Look, close
from tests.metrics.small import answers, asked, subscribed
from tests.oracle.generate_economics import economics_world

from revgauge.catalogue.evaluation import Request
from revgauge.catalogue.rows import RowFinder
from revgauge.metrics.growth import base_alike
from revgauge.model.period import Calendar

SOURCES = ("recurring", "invoiced", "collected", "recognised", "bookings")
# -- what holds in any world ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7, 21])
def test_revenue_of_parts_makes_the_whole(seed: int) -> None:
    """Revenue of months makes that of quarters, and revenue by segment makes revenue, from every source."""
    look = Look(economics_world(seed), seed)
    quarters = look.last(3, "quarter")
    months = look.last(9)
    for source in SOURCES:
        look.ask(("revenue",), quarters, source=source)
        look.ask(("revenue",), months, source=source)
        look.ask(("revenue",), months, "segment", source=source)
    cells = look.cells()
    told = 0
    for source in SOURCES:
        for month in months:
            whole = cells.get("revenue", month, source=source)
            parts = [cells.get("revenue", month, cut, source=source) for cut in cells.cuts("segment")]
            assert (whole is None) == (None in parts)
            if whole is not None:
                told += 1
                assert close(sum((part or Decimal(0) for part in parts), Decimal(0)), whole)
        for quarter in quarters:
            inside = [month for month in months if quarter.start <= month.start < quarter.end]
            if len(inside) == 3 or quarter.partial:
                parts = [cells.get("revenue", month, source=source) for month in inside]
                whole = cells.get("revenue", quarter, source=source)
                assert (whole is None) == (None in parts)
                if whole is not None:
                    assert close(sum((part or Decimal(0) for part in parts), Decimal(0)), whole)
    assert told > len(months)


@pytest.mark.slow
def test_the_rows_of_every_metric_add_up_to_it() -> None:
    """In a drawn world the listed rows give the number again, by all arithmetic in between."""
    seed = 7
    look = Look(economics_world(seed), seed)
    tables = {name: rows for name, rows in look.world.items() if rows}
    evaluation = evaluation_over(tables, settings=look.settings)
    finder = RowFinder(evaluation)
    listed = 0
    for metric, params in (
        *(("revenue", {"source": source}) for source in SOURCES),
        *(("revenue_growth_rate", {"compare": compare}) for compare in ("yoy", "prev")),
        *((name, {}) for name in ("run_rate", "market_share", "market_penetration", "growth_gap")),
        *((name, {}) for name in ("headcount", "headcount_growth_rate", "revenue_per_full_time_equivalent")),
        *(("operating_expenses", {"method": method}) for method in ("ledger", "drivers")),
    ):
        for period in (*look.last(1, complete=True), *look.last(1, "quarter")):
            listing = finder.listing(Request(metric, (period,), params))
            assert listing.agrees, (metric, params, period.label, listing.value, listing.added)
            listed += listing.value.value is not None
    assert listed > 10


# -- revenue ----------------------------------------------------------------------------------------------------------


def test_a_month_without_changes_earns_its_mrr() -> None:
    """A full month of 100 earns exactly 100, whether it has 28, 29, 30 or 31 days."""
    tables = {"subscription_periods": subscribed(("a", "2024-01-01", "", "100"))}
    months = ("2025-02", "2024-02", "2025-04", "2025-01")
    assert [value.value for value in answers(tables, [Question("revenue", month) for month in months])] == [100] * 4


@pytest.mark.slow
def test_a_day_earns_its_part_of_its_own_month() -> None:
    """From 15 February to 15 March, 310 a month earn 14/28 of February's and 14/31 of March's."""
    tables = {"subscription_periods": subscribed(("a", "2025-02-15", "2025-03-15", "310"))}
    assert asked(tables, "revenue", "2025-02").value == 155
    assert asked(tables, "revenue", "2025-03").value == 140
    assert asked(tables, "revenue", "2025-Q1").value == 295


@pytest.mark.slow
def test_a_rate_that_is_missing_for_a_day_makes_the_period_unknown() -> None:
    """Euros quoted from 10 January: January is not known, February is, and so is a company without a euro before."""
    rows = [{**row, "currency": "EUR"} for row in subscribed(("a", "2025-01-05", "", "100"))]
    quotes = [{"currency": "EUR", "quoted_on": "2025-01-10", "rate": "1.2"}]
    tables = {"subscription_periods": rows, "exchange_rates": quotes}
    assert asked(tables, "revenue", "2025-01").value is None
    assert asked(tables, "revenue", "2025-02").value == 120
    begun = [{**row, "valid_from": "2025-01-10"} for row in rows]
    # 22 of 31 days of 100 euros at 1.2
    value = asked({**tables, "subscription_periods": begun}, "revenue", "2025-01").value
    assert value is not None
    assert close(value, Decimal(2640) / 31)


def test_what_is_billed_and_paid_back_lowers_whatever_its_sign() -> None:
    """A credit note, a negative bill, a refund, a clawback and a negative payment each take their amount away."""
    bills = [
        {"invoice_id": "1", "account_id": "a", "issued_on": "2025-06-01", "amount": "100", "kind": "invoice"},
        {"invoice_id": "2", "account_id": "a", "issued_on": "2025-06-02", "amount": "30", "kind": "credit_note"},
        {"invoice_id": "3", "account_id": "a", "issued_on": "2025-06-03", "amount": "-5", "kind": "invoice"},
        {"invoice_id": "4", "account_id": "a", "issued_on": "2025-06-30", "amount": "-7", "kind": "credit_note"},
    ]
    paid = [
        {"payment_id": "1", "invoice_id": "1", "paid_at": "2025-06-05T00:00:00Z", "amount": "90", "kind": "payment"},
        {"payment_id": "2", "invoice_id": "1", "paid_at": "2025-06-06T00:00:00Z", "amount": "20", "kind": "refund"},
        {"payment_id": "3", "invoice_id": "1", "paid_at": "2025-06-06T00:00:00Z", "amount": "10", "kind": "clawback"},
        {"payment_id": "4", "invoice_id": "", "paid_at": "2025-06-07T00:00:00Z", "amount": "-1", "kind": "payment"},
    ]
    tables = {"invoices": bills, "payments": paid}
    assert asked(tables, "revenue", "2025-06", source="invoiced").value == 100 - 30 - 5 - 7
    assert asked(tables, "revenue", "2025-06", source="collected").value == 90 - 20 - 10 - 1
    assert asked(tables, "revenue", "2025-06", source="collected", by={"account_id": "a"}).value == 60


def test_a_contract_is_earned_in_equal_days_and_one_without_days_not_at_all() -> None:
    """A contract of 730 over 365 days earns 2 a day; one that ends as it starts, or never, earns nothing."""
    tables = {
        "contracts": [
            {"contract_id": "1", "account_id": "a", "starts_on": "2025-01-01", "ends_on": "2026-01-01", "value": "730"},
            {"contract_id": "2", "account_id": "a", "starts_on": "2025-06-01", "ends_on": "2025-06-01", "value": "500"},
            {"contract_id": "3", "account_id": "a", "starts_on": "2025-06-01", "ends_on": "", "value": "500"},
        ]
    }
    assert asked(tables, "revenue", "2025-06", source="recognised").value == 60
    assert asked(tables, "revenue", "2025-07", source="recognised").value == 20


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_was_never_loaded_is_unknown(source: str) -> None:
    """Without its table a source is null and says which table it lacks; with an empty one it is 0."""
    tables = {"accounts": [{"account_id": "a"}]}
    value = asked(tables, "revenue", "2025-06", source=source)
    assert value.value is None
    assert "never loaded" in value.reason


# -- growth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "period", "compare", "first", "last"),
    [
        # ten days of July against the first ten of last July, and of June
        ("2025-07-10", "2025-07", "yoy", date(2024, 7, 1), date(2024, 7, 10)),
        ("2025-07-10", "2025-07", "prev", date(2025, 6, 1), date(2025, 6, 10)),
        # thirty days of March are more than February has
        ("2025-03-30", "2025-03", "prev", date(2025, 2, 1), date(2025, 2, 28)),
        # the last day of a month makes it whole, and the base too
        ("2025-02-28", "2025-02", "yoy", date(2024, 2, 1), date(2024, 2, 29)),
        # 61 days of a leap year reach 2 March in a common one
        ("2024-03-01", "2024", "yoy", date(2023, 1, 1), date(2023, 3, 2)),
        ("2025-07-10", "2025-Q3", "prev", date(2025, 4, 1), date(2025, 4, 10)),
    ],
)
def test_a_period_in_progress_is_compared_with_as_many_days(
    now: str, period: str, compare: str, first: date, last: date
) -> None:
    """The base has the same number of days from its own start, and never more than it has in all."""
    calendar = Calendar(date.fromisoformat(now))
    base = base_alike(calendar, calendar.parse(period), compare)
    assert (base.start, base.closing) == (first, last)


def test_growth_over_nothing_is_unknown_and_a_fall_to_nothing_is_a_loss_of_all() -> None:
    """From 0 to 100 there is no rate of growth; from 100 to 0 it is -1."""
    tables = {"subscription_periods": subscribed(("a", "2025-02-01", "2025-03-01", "100"))}
    assert asked(tables, "revenue_growth_rate", "2025-02", compare="prev").value is None
    assert asked(tables, "revenue_growth_rate", "2025-03", compare="prev").value == -1


def test_the_run_rate_is_per_day_that_has_passed() -> None:
    """310 for July earn 100 in ten days: 10 a day, 304.17 a month and 3,650 a year."""
    tables = {"subscription_periods": subscribed(("a", "2025-01-01", "", "310"))}
    assert asked(tables, "run_rate", "2025-07").value == 10
    month = asked(tables, "run_rate", "2025-07", per="month").value
    assert month is not None
    assert close(month, Decimal(3650) / 12)
    assert asked(tables, "run_rate", "2025-07", per="year").value == 3650


# -- market -----------------------------------------------------------------------------------------------------------


def sized(*rows: tuple[str, str, str]) -> dict[str, Rows]:
    """Markets of segments: segment, year, revenue; and one account in `smb` that pays 100 a month all along."""
    return {
        "markets": [
            {"segment": segment, "year": year, "market_revenue": amount, "currency": "USD"}
            for segment, year, amount in rows
        ],
        "accounts": [{"account_id": "a", "segment": "smb"}],
        "subscription_periods": subscribed(("a", "2023-01-01", "", "100")),
    }


def test_which_market_a_share_is_of() -> None:
    """The row for all segments comes before their sum, a segment has its own, and a sum with a part unknown is none.

    Each case stands in a year of its own, and the account pays 100 a month in all of them.
    """
    smb = {"segment": "smb"}
    cases: dict[str, tuple[list[tuple[str, str]], dict[str, str], int | None]] = {
        "2017": ([("all", "5000"), ("smb", "1000")], {}, 5000),
        "2018": ([("", "5000"), ("smb", "1000")], {}, 5000),
        "2019": ([("smb", "1000"), ("ent", "500")], {}, 1500),
        "2020": ([("smb", "1000"), ("ent", "")], {}, None),
        "2021": ([("all", ""), ("smb", "1000")], {}, 1000),
        "2022": ([("all", "5000"), ("smb", "1000")], smb, 1000),
        "2023": ([("all", "5000")], smb, None),
        "2024": ([], {}, None),  # what the market was in the year before is not what it is
        "2025": ([("all", "0")], {}, None),
    }
    tables = sized(*((segment, year, amount) for year, (rows, *_) in cases.items() for segment, amount in rows))
    tables["subscription_periods"] = subscribed(("a", "2016-01-01", "", "100"))
    found = answers(tables, [Question("market_share", f"{year}-06", by) for year, (_, by, _) in cases.items()])
    assert {year: value.value for year, value in zip(cases, found, strict=True)} == {
        year: None if size is None else pytest.approx(Decimal(1200) / size) for year, (*_, size) in cases.items()
    }


@pytest.mark.slow
def test_a_foreign_market_is_worth_what_it_is_at_the_end_of_its_year_or_now() -> None:
    """1,000 euros are 1,100 dollars at the quote before `now` in the present year, and 1,200 at the end of the last."""
    tables = sized(("all", "2024", "1000"), ("all", "2025", "1000"))
    tables["markets"] = [{**row, "currency": "EUR"} for row in tables["markets"]]
    quotes = [("2024-06-01", "1.0"), ("2024-12-31", "1.2"), ("2025-07-01", "1.1"), ("2025-12-31", "9")]
    tables["exchange_rates"] = [{"currency": "EUR", "quoted_on": day, "rate": rate} for day, rate in quotes]
    assert asked(tables, "market_share", "2024").value == Decimal(1200) / 1200
    assert asked(tables, "market_share", "2025-06").value == pytest.approx(Decimal(1200) / 1100)
    assert asked(tables, "market_share_change", "2025-06").value == pytest.approx(Decimal(1200) / 1100 - 1)


# -- people -----------------------------------------------------------------------------------------------------------


def test_who_counts_on_a_day() -> None:
    """The first day counts and the day of leaving does not; no share of full time is a whole one; coming ones wait."""
    people = [
        {"person_id": "1", "department": "sales", "hired_on": "2025-06-30", "left_on": "", "fte": ""},
        {"person_id": "2", "department": "sales", "hired_on": "2025-01-01", "left_on": "2025-06-30", "fte": "1"},
        {"person_id": "3", "department": "", "hired_on": "2025-01-01", "left_on": "2025-07-20", "fte": "0.25"},
        {"person_id": "4", "department": "sales", "hired_on": "2025-07-11", "left_on": "", "fte": "1"},
        {"person_id": "5", "department": "sales", "hired_on": "2025-06-01", "left_on": "2025-06-01", "fte": "1"},
    ]
    tables = {"people": people}
    assert asked(tables, "headcount", "2025-06").value == Decimal("1.25")
    assert asked(tables, "headcount", "2025-05").value == Decimal("1.25")
    assert asked(tables, "headcount", "2025-07").value == Decimal("1.25")
    assert asked(tables, "headcount", "2025-06", by={"department": "sales"}).value == 1
    assert asked(tables, "headcount", "2025-06", by={"department": "unknown"}).value == Decimal("0.25")


@pytest.mark.slow
def test_revenue_per_head_takes_the_mean_of_twelve_ends_of_months() -> None:
    """1,200 in twelve months with one employee for six of the ends and two for the others: 1,200 / 1.5 = 800."""
    tables = {
        "subscription_periods": subscribed(("a", "2024-01-01", "", "100")),
        "people": [
            {"person_id": "1", "department": "ops", "hired_on": "2020-01-01"},
            {"person_id": "2", "department": "sales", "hired_on": "2025-01-31"},
        ],
    }
    assert asked(tables, "revenue_per_fte", "2025-06").value == 800
    # by department the company's revenue is set against the department's heads: 1,200 / (6 / 12)
    assert asked(tables, "revenue_per_fte", "2025-06", by={"department": "sales"}).value == 2400
    assert asked({**tables, "people": []}, "revenue_per_fte", "2025-06").value is None
