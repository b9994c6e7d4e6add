"""What the worked cases leave out of funnel and sales: missing data, marks, and the rows that do not count."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.oracle.generate import write_tables

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.rows import RowFinder
from revgauge.metrics import builtin_catalogue
from revgauge.sources.canonical import read_case_tables

CATALOGUE = builtin_catalogue()
Rows = dict[str, list[dict[str, str]]]


def lead(lead_id: str, created_at: str, **fields: str) -> dict[str, str]:
    """A lead with the fields that matter here."""
    empty = dict.fromkeys(("qualified_at", "accepted_at", "opportunity_id", "duplicate_of", "disqualified_at"), "")
    return {"lead_id": lead_id, "created_at": f"{created_at}T09:00:00Z", **empty, **fields}


def deal(opportunity_id: str, created_on: str, closed_on: str = "", **fields: str) -> dict[str, str]:
    """A deal that is won if it is closed."""
    return {
        "opportunity_id": opportunity_id,
        "created_at": f"{created_on}T09:00:00Z",
        "closed_at": f"{closed_on}T09:00:00Z" if closed_on else "",
        "is_won": "true" if closed_on else "",
        "amount": "1000",
        "lead_id": "",
        "accepted_at": "",
        "expected_close_on": "",
        "duplicate_of": "",
        **fields,
    }


class Asker:
    """Asks for values over a few rows, as known at the end of June 2025."""

    def __init__(self, folder: Path) -> None:
        """Write the rows into that folder."""
        self.folder = folder

    def evaluation(self, rows: Rows) -> Evaluation:
        """An evaluation of the rows."""
        write_tables(rows, self.folder)
        warehouse = Warehouse.in_memory()
        read_case_tables(self.folder, warehouse.connection)
        warehouse = Warehouse.over(warehouse.connection)
        return Evaluation(CATALOGUE, Context(warehouse, Settings(date(2025, 6, 30))))

    def value(self, rows: Rows, metric: str, period: str = "2025-03", **params: Any) -> Value:
        """One value of the rows."""
        evaluation = self.evaluation(rows)
        request = Request(metric, (evaluation.context.calendar.parse(period),), params)
        return next(evaluation.results([request])[0].values())


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    """Asks over a fresh folder."""
    return Asker(tmp_path)


@pytest.mark.parametrize(
    ("metric", "params", "missing"),
    [
        ("lead_count", {}, "leads was never loaded"),
        ("sales_qualified_lead_count", {}, "opportunities was never loaded"),
        ("lead_stage_conversion_rate", {"from": "lead", "to": "won"}, "opportunities was never loaded"),
        ("activation_rate", {}, "opportunities was never loaded"),
        ("conversion_count", {"action": "demo"}, "conversions was never loaded"),
        ("win_rate", {}, "opportunities was never loaded"),
    ],
)
def test_what_was_never_loaded_is_a_gap_and_not_nought(
    ask: Asker, metric: str, params: dict[str, str], missing: str
) -> None:
    """Without the entity that a metric needs there is no value, and the reason names the entity."""
    rows: Rows = {} if metric == "lead_count" else {"leads": [lead("L1", "2025-03-01")]}
    value = ask.value(rows, metric, **params)
    assert value.value is None
    assert missing in value.reason


@pytest.mark.parametrize(
    ("metric", "params", "field"),
    [
        ("lead_to_accepted_opportunity_rate", {"criteria": "bant"}, "leads.has_timing"),
        ("lead_to_accepted_opportunity_rate", {}, "opportunities.accepted_at"),
        ("pitched_rate", {}, "opportunities.pitched_at"),
        ("sales_cycle_days", {"start": "accepted"}, "opportunities.accepted_at"),
    ],
)
def test_a_field_that_no_source_fills_is_a_gap(ask: Asker, metric: str, params: dict[str, str], field: str) -> None:
    """A variant that reads a field has no value where the field was never loaded; the reason names it."""
    won = deal("O1", "2025-03-01", "2025-03-11")
    del won["accepted_at"]
    value = ask.value({"leads": [lead("L1", "2025-03-01")], "opportunities": [won]}, metric, **params)
    assert value.value is None
    assert field in value.reason


@pytest.mark.slow
def test_a_young_cohort_is_marked_and_an_old_one_is_not(ask: Asker) -> None:
    """A share of leads is still ripening while a tenth of them is undecided and younger than leads usually were.

    Nine leads of January became opportunities after 100 days or fewer; of two of June one has not, after 20 days.
    """
    old = [lead(f"A{n}", "2025-01-01", opportunity_id=f"O{n}") for n in range(9)]
    young = [lead("B1", "2025-06-10"), lead("B2", "2025-06-10", opportunity_id="O9")]
    lost = [lead("C1", "2025-05-20", disqualified_at="2025-05-21T00:00:00Z")]
    deals = [deal(f"O{n}", f"2025-04-{n + 2:02}") for n in range(9)] + [deal("O9", "2025-06-11")]
    rows: Rows = {"leads": old + young + lost, "opportunities": deals}
    assert ask.value(rows, "lead_to_opportunity_rate", "2025-06").marks == ("still ripening", "few")
    assert ask.value(rows, "lead_to_opportunity_rate", "2025-01").marks == ("few",)
    assert ask.value(rows, "lead_to_opportunity_rate", "2025-05").marks == ("few",), "who was given up is decided"
    assert ask.value(rows, "lead_to_opportunity_rate", "2025-06", window_days=10).marks == ("few",)


def test_amounts_that_no_history_tells_are_marked(ask: Asker) -> None:
    """The value of deals created says when a present amount stands for one of then; a changed deal has its own."""
    changes = [{"opportunity_id": "O1", "changed_at": "2025-03-10T00:00:00Z", "amount": "400", "currency": "USD"}]
    rows: Rows = {"opportunities": [deal("O1", "2025-03-02")], "opportunity_history": changes}
    told = ask.value(rows, "opportunities_created_value")
    assert (told.value, told.marks) == (Decimal(400), ())
    rows["opportunities"].append(deal("O2", "2025-03-03"))
    untold = ask.value(rows, "opportunities_created_value")
    assert (untold.value, untold.marks) == (Decimal(1400), ("from present values",))


def test_of_several_amounts_in_a_period_the_last_stands(ask: Asker) -> None:
    """A deal is worth its last amount of the period, the larger of one instant; a closed one what it closed with."""

    def change(opportunity_id: str, changed_on: str, amount: str) -> dict[str, str]:
        return {
            "opportunity_id": opportunity_id,
            "changed_at": f"{changed_on}T10:00:00Z",
            "amount": amount,
            "currency": "USD",
        }

    rows: Rows = {
        "opportunities": [
            deal("O1", "2025-03-02"),
            deal("O2", "2025-03-02"),
            deal("O3", "2025-03-02"),
            deal("O4", "2025-03-02", "2025-03-20"),
        ],
        "opportunity_history": [
            *(change("O1", "2025-03-02", "400"), change("O1", "2025-03-20", "650"), change("O1", "2025-03-20", "700")),
            change("O2", "2025-03-02", "300"),
            *(change("O3", "2025-03-05", "200"), change("O3", "2025-04-02", "900")),
            *(change("O4", "2025-03-02", "50"), change("O4", "2025-03-03", "60")),
        ],
    }
    told = ask.value(rows, "opportunities_created_value")
    # 700 + 300 + 200 + 1000, which O4 was closed with
    assert (told.value, told.marks) == (Decimal(2200), ())


def test_activation_without_subscriptions_rests_on_deals_and_says_so(ask: Asker) -> None:
    """Where no subscriptions were loaded only won deals activate leads, and the value carries that mark."""
    rows: Rows = {
        "leads": [lead("L1", "2025-03-01", opportunity_id="O1"), lead("L2", "2025-03-01")],
        "opportunities": [deal("O1", "2025-03-02", "2025-03-20")],
    }
    value = ask.value(rows, "activation_rate")
    assert value.value == Decimal("0.5")
    assert "from deals alone" in value.marks


@pytest.mark.slow
def test_overdue_deals_count_as_lost_from_the_day_after_their_expected_close(ask: Asker) -> None:
    """An open deal joins the denominator the day after it should have closed and leaves it when it closes."""
    rows: Rows = {
        "opportunities": [
            deal("O1", "2025-01-01", "2025-03-05"),
            deal("O2", "2025-01-01", expected_close_on="2025-03-30"),
            deal("O3", "2025-01-01", "2025-05-01", expected_close_on="2025-03-31"),
        ]
    }
    assert ask.value(rows, "win_rate", "2025-03", overdue_as_lost=True).value == Decimal("0.5")
    assert ask.value(rows, "win_rate", "2025-03-05", overdue_as_lost=True).value == 1
    assert ask.value(rows, "win_rate", "2025-05", overdue_as_lost=True).value == Decimal("0.5"), "O3 has closed by then"


def test_an_open_deal_belongs_to_its_owner_of_the_day(ask: Asker) -> None:
    """A deal handed over leaves the balance of one owner and joins that of the other, so that they add up."""
    changes = [{"opportunity_id": "O1", "changed_at": "2025-04-10T12:00:00Z", "owner_id": "p2"}]
    rows: Rows = {
        "opportunities": [
            deal("O1", "2025-03-02", owner_id="p1"),
            deal("O2", "2025-03-01", "2025-03-11", owner_id="p1"),
            deal("O3", "2025-04-01", "2025-04-11", owner_id="p1"),
            deal("O4", "2025-04-01", "2025-04-11", owner_id="p2"),
        ],
        "opportunity_history": changes,
    }
    evaluation = ask.evaluation(rows)
    months = evaluation.context.calendar.spine(date(2025, 3, 1), date(2025, 4, 1), "month")
    (result,) = evaluation.results([Request("sales_velocity", months, {}, ("owner_id",))])
    # One open deal of 1000 with every deal won in 10 days is 100 a day; none open is nought.
    found = {(value.period.label, value.dimensions["owner_id"]): value.value for value in result.values()}
    assert found["2025-03", "p1"] == 100
    assert found["2025-04", "p1"] == 0
    assert found["2025-04", "p2"] == 100


def test_open_deals_are_as_many_whoever_has_them(ask: Asker) -> None:
    """In total and by type the number of open deals is what their owners have together, though another table tells it.

    A deal that was closed on the day it was created was never open at the end of a day.
    """
    rows: Rows = {
        "opportunities": [
            deal("O1", "2025-03-02", owner_id="p1"),
            deal("O2", "2025-03-01", "2025-03-11", owner_id="p1"),
            deal("O3", "2025-03-21", "2025-03-21", owner_id="p1", is_won="false"),
            deal("O4", "2025-03-05", "2025-04-02", owner_id="p1", is_won="false"),
        ],
        "opportunity_history": [{"opportunity_id": "O1", "changed_at": "2025-03-10T12:00:00Z", "owner_id": "p2"}],
    }
    evaluation = ask.evaluation(rows)
    months = (evaluation.context.calendar.parse("2025-03"),)
    for by in ((), ("type",), ("pipeline",)):
        (result,) = evaluation.results([Request("sales_velocity", months, {}, by)])
        # O1 and O4 are open: 2 deals of 1000, one of two closed was won in 10 days.
        assert [value.value for value in result.values()] == [Decimal(100)], by
    (result,) = evaluation.results([Request("sales_velocity", months, {}, ("owner_id",))])
    # p1 has O4 left: 1 x 1000 x 1/2 / 10; p2 has O1 and has closed nothing.
    owned = {value.dimensions["owner_id"]: value.value for value in result.values()}
    assert owned == {"p1": Decimal(50), "p2": None}


def test_rows_that_do_not_count_are_listed_with_the_reason(ask: Asker) -> None:
    """Duplicates, renewals, tests and deals without an amount are named beside the rows that make the number."""
    rows: Rows = {
        "opportunities": [
            deal("O1", "2025-03-01", "2025-03-11"),
            deal("O2", "2025-03-01", duplicate_of="O1"),
            deal("O3", "2025-03-01", type="renewal"),
            deal("O4", "2025-03-01", "2025-03-02", is_won="false", loss_reason="test"),
            deal("O5", "2025-03-01", amount=""),
        ]
    }
    evaluation = ask.evaluation(rows)
    request = Request("opportunities_created_value", (evaluation.context.calendar.parse("2025-03"),))
    listing = RowFinder(evaluation).listing(request)
    assert listing.agrees
    assert listing.value.value == 1000
    reasons = {row["opportunity_id"]: row["reason"] for row in listing.parts[0].left_out}
    assert reasons == {
        "O2": "a duplicate of O1",
        "O3": "of type renewal",
        "O4": "never an opportunity: lost as test",
        "O5": "without an amount: counted, but in no sum",
    }
