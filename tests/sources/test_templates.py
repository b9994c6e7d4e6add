"""The shipped templates, on rows as Fivetran leaves them and on records as Stripe's API sends them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.sources.helpers import HERE, load_now, make_project, query

from revgauge.sources.templates import TEMPLATES, template_text


def warehouse(folder: Path, system: str, **changes: str) -> Path:
    """A project whose warehouse has the sample rows of that system; `changes` are updates to single tables."""
    with duckdb.connect(str(folder / "wh.duckdb")) as connection:
        connection.execute(f"CREATE SCHEMA {system}")
        for path in sorted((HERE / "data" / system).glob("*.csv")):
            table = f'{system}."{path.stem}"'
            connection.execute(
                f"CREATE TABLE {table} AS SELECT * FROM read_csv('{path}', header = true, sample_size = -1)"
            )
            if path.stem in changes:
                connection.execute(f"UPDATE {table} SET {changes[path.stem]}")
    return make_project(folder, template_text(f"{system}_fivetran", database="wh.duckdb", schema=system))


def counts(project: Path) -> dict[str, tuple[int, ...]]:
    """Entity: rows read, loaded, rejected, skipped."""
    sql = (
        "SELECT entity, sum(rows_read), sum(rows_loaded), sum(rows_rejected), sum(rows_skipped) FROM file_loads "
        "WHERE entity <> '(lookup)' GROUP BY entity"
    )
    return {row[0]: tuple(int(number) for number in row[1:]) for row in query(project, sql)}


@pytest.mark.slow
def test_deleted_salesforce_rows_are_not_data(tmp_path: Path) -> None:
    """All ten opportunities of the sample are deleted, and nine of ten accounts: none loads, each is counted."""
    project = warehouse(tmp_path, "salesforce")
    assert load_now(project).ok
    found = counts(project)
    assert found["opportunities"] == (10, 0, 0, 10)
    assert found["accounts"] == (10, 1, 0, 9)
    assert found["contacts"] == (4, 4, 0, 0)
    gaps = query(project, "SELECT DISTINCT rule FROM quarantine WHERE severity = 'warning'")
    assert gaps == [("data_gap",)]


@pytest.mark.slow
def test_a_salesforce_probability_of_1000_is_rejected(tmp_path: Path) -> None:
    """Undeleted, the deal with probability 1000 (percent) is rejected by name; the others load with 100 % as 1."""
    project = warehouse(
        tmp_path, "salesforce", opportunity="is_deleted = false", opportunity_history="is_deleted = false"
    )
    load_now(project)
    rejected = query(
        project, "SELECT column_name, value, rule FROM quarantine WHERE severity = 'error' AND entity = 'opportunities'"
    )
    assert ("probability", "1000", "range") in rejected
    assert query(project, "SELECT max(probability) FROM opportunities") == [(Decimal(1),)]
    wrong = query(project, "SELECT count(*) FROM opportunities WHERE (closed_at IS NULL) <> (is_won IS NULL)")
    assert wrong == [(0,)]
    assert query(project, "SELECT count(*) > 0 FROM opportunity_history WHERE changed_at IS NOT NULL") == [(True,)]
    unmapped = query(
        project, "SELECT count(*) > 0 FROM quarantine WHERE rule = 'unmapped_value' AND severity = 'warning'"
    )
    assert unmapped == [(True,)]


@pytest.mark.slow
def test_stripe_amounts_are_minor_units(tmp_path: Path) -> None:
    """Charges, refunds and lost disputes become payments in whole units; open and void ones do not."""
    project = warehouse(tmp_path, "stripe")
    assert load_now(project).ok
    amounts = dict(query(project, "SELECT payment_id, amount FROM payments"))
    assert amounts["re_0IMJuLig6peNXzgDSLN6dNzl"] == Decimal(6750)  # 675000 cents, succeeded
    assert amounts["du_0M9SJTig6peNXzgD58OLM8Mz"] == Decimal("10.99")  # lost
    assert "du_0MmTsrig6peNXzgD4bsS3XWF" not in amounts  # won
    # 150000 cents a month x 1 and x 2; the other items of the sample have no subscription
    found = query(project, "SELECT subscription_id, CAST(mrr AS INT), currency FROM subscription_periods ORDER BY 1")
    assert found == [("sdgfs4536", 1500, "USD"), ("sfjytkyu876", 3000, "USD")]
    assert any(
        "estimate" in row[0] for row in query(project, "SELECT reason FROM quarantine WHERE severity = 'notice'")
    )


SUBSCRIPTION: dict[str, Any] = {
    "id": "sub_1", "object": "subscription", "customer": "cus_1", "currency": "usd", "status": "active",
    "livemode": True,
    "start_date": 1704067200, "ended_at": None, "trial_end": None, "cancel_at_period_end": False,
    "cancellation_details": {"feedback": None, "reason": None}, "discount": None,
}  # fmt: skip


def item(number: int, amount: int | None, interval: str, count: int = 1, **more: Any) -> dict[str, Any]:
    """One item of a subscription as the API sends it."""
    recurring = {"interval": interval, "interval_count": count, "usage_type": more.pop("usage_type", "licensed")}
    price = {"id": f"price_{number}", "product": "prod_1", "unit_amount": amount, "recurring": recurring}
    return {"id": f"si_{number}", "quantity": more.get("quantity", 1), "price": price | more.get("price", {})}


def test_stripe_prices_become_a_month(tmp_path: Path) -> None:
    """From the API's own records: amount x quantity, less the discount, over the months of the interval."""
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = [
        ([item(1, 12000, "year")], {}, ["10"]),  # 120 / 12
        ([item(1, 3000, "month", 3, quantity=2)], {}, ["20"]),  # 30 x 2 / 3
        ([item(1, 8400, "week")], {}, ["365"]),  # 84 x 365 / 7 / 12
        ([item(1, 1200, "day")], {}, ["365"]),  # 12 x 365 / 12
        ([item(1, 1000, "month"), item(2, 500, "month")], {}, ["10", "5"]),
        ([item(1, 10000, "month")], {"discount": {"coupon": {"percent_off": 25}}}, ["75"]),
        ([item(1, 5000, "month")], {"currency": "jpy"}, ["5000"]),  # the yen has no smaller unit
        ([item(1, None, "month", usage_type="metered", quantity=None)], {}, ["0"]),
        ([item(1, 1, "month", price={"unit_amount_decimal": "0.5"}, quantity=1000)], {}, ["5"]),  # half a cent x 1000
        ([item(1, 1000, "month")], {"status": "incomplete"}, []),
    ]
    records = [
        SUBSCRIPTION | {"id": f"sub_{number}"} | change | {"items": {"object": "list", "data": items}}
        for number, (items, change, _) in enumerate(cases)
    ]
    payload = json.dumps({"object": "list", "data": records})
    project = make_project(
        tmp_path, template_text("stripe_api", json_folder="api"), {"api/subscriptions.json": payload}
    )
    report = load_now(project)
    assert report.ok, report.text()
    found: dict[str, dict[str, Decimal]] = {record["id"]: {} for record in records}
    for name, mrr in query(project, "SELECT subscription_id, mrr FROM subscription_periods"):
        found[name.partition(":")[0]][name] = mrr
    assert [sorted(rows.values(), reverse=True) for rows in found.values()] == [
        [Decimal(number) for number in expected] for *_, expected in cases
    ]
    assert found["sub_4"] == {"sub_4:si_1": 10, "sub_4:si_2": 5}


def test_airbyte_versions_of_a_row_become_one(tmp_path: Path) -> None:
    """Of several extracted versions of a charge the newest counts, and values that Airbyte emptied are told."""
    with duckdb.connect(str(tmp_path / "wh.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE charges AS SELECT * FROM (VALUES "
            "('ch_1', 1704067200, 1000, 'usd', true, true, 'succeeded', TIMESTAMPTZ '2024-01-01 00:00:00Z', "
            "'{\"changes\": []}'), "
            "('ch_1', 1704067200, 1500, 'usd', true, true, 'succeeded', TIMESTAMPTZ '2024-01-02 00:00:00Z', "
            '\'{"changes": [{"field": "invoice", "change": "NULLED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}]}\')) '
            "AS t(id, created, amount, currency, paid, captured, status, _airbyte_extracted_at, _airbyte_meta)"
        )
    project = make_project(tmp_path, template_text("stripe_api", database="wh.duckdb"))
    assert load_now(project).ok
    assert query(project, "SELECT payment_id, CAST(amount AS INT) FROM payments") == [("ch_1", 15)]
    assert query(project, "SELECT column_name FROM quarantine WHERE rule = 'emptied_by_airbyte'") == [("invoice",)]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_templates_name_one_place(name: str) -> None:
    """A template is filled in for a database, for Parquet or for JSON files, and for nothing else."""
    assert 'parquet: "lake/' in template_text(name, parquet="lake")
    assert "place:" not in template_text(name, json_folder="api")
    with pytest.raises(ValueError, match="give one of"):
        template_text(name)
