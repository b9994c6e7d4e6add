"""The SQL that the product is measured against, on the worked cases of the standard and against two other ways."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from benchmarks import generate_whole, hand_sql, pandas_movements, per_metric_sql, polars_movements, processes
from benchmarks.compare import SCHEMA, compare
from benchmarks.generate import FIRST_MONTH, NOW, generate
from benchmarks.hand_sql import FAMILIES, THIRD, TOTAL

from revgauge.sources.canonical import read_case_tables

CASES = Path(__file__).parent.parent / "cases"

READS = {
    "recurring": ("subscription_periods",),
    "funnel": ("leads",),
    "sales": ("opportunities",),
    "renewals": ("contracts",),
    "cash": ("invoices", "payments"),
    "revenue": ("subscription_periods",),
    "lifetime": ("subscription_periods", "expenses"),
    "acquisition": ("subscription_periods", "expenses"),
    "payback": ("subscription_periods", "expenses"),
    "market": ("subscription_periods", "markets"),
    "people": ("people",),
    "credit": ("opportunities", "touchpoints"),
}
"""Without these entities a family has no values at all, which the SQL does not look for."""

SPARSE = ("renewals", "cash", "credit")
"""Families of which the SQL gives no figures where there are no rows; a comparison takes that for null or 0."""

BOTH = {family.name: family for family in (*THIRD, *FAMILIES)}.values()
"""Every family once, those of which all metrics are worked out with all of them."""


def _checks(case: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The checks that the SQL can answer: months up to now, default parameters, one of its own cuts."""
    found = []
    for check in case["checks"]:
        for family in BOTH:
            within = check["grain"] == "month" and f"{check['period']}-01" <= case["now"]
            loaded = all((folder / f"{entity}.csv").exists() for entity in READS[family.name])
            known = check["metric"] in family.metrics and loaded
            if (
                within
                and known
                and not check["params"]
                and list(check["by"]) in ([], *([d] for d in family.dimensions))
            ):
                found.append(check)
    return found


def _cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*/expected.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        checks = _checks(case, path.parent)
        if checks and case["time_zone"] == "UTC":
            found.append(pytest.param(path.parent, case, checks, id=case["case"]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "case", "checks"), _cases())
def test_the_sql_gives_the_values_worked_out_by_hand(
    folder: Path, case: dict[str, Any], checks: list[dict[str, Any]]
) -> None:
    """Each value of a worked case that the SQL can answer is the one in the case, within the case's tolerance."""
    with duckdb.connect(":memory:store") as connection:
        read_case_tables(folder, connection)
        hand_sql.prepare(
            connection,
            now=date.fromisoformat(case["now"]),
            first_month=date(2024, 1, 1),
            currency=case["reporting_currency"],
            schema=_schema(connection),
        )
        hand_sql.run_stages(connection, BOTH)
        for check in checks:
            cut, value = next(iter(check["by"].items()), (TOTAL, ""))
            found = connection.execute(
                "SELECT value FROM figures WHERE metric = ? AND month = ? AND dimension = ? AND dimension_value = ?",
                [check["metric"], f"{check['period']}-01", cut, value],
            ).fetchall()
            named = f"{check['metric']} {check['period']} {check['by']}: {check['why']}"
            if not found and any(check["metric"] in family.metrics for family in BOTH if family.name in SPARSE):
                found = [(0.0 if check["value"] == 0 else None,)]
            assert len(found) == 1, named
            if check["value"] is None:
                assert found[0][0] is None, named
            else:
                assert found[0][0] == pytest.approx(check["value"], abs=check["tolerance"]), named


def _schema(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    return f"{row[0]}.main"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest store that the generator writes: a hundred accounts."""
    path = tmp_path_factory.mktemp("store") / "entities.duckdb"
    generate(0.0001, path)
    return path


@pytest.fixture(scope="module")
def figures(store: Path) -> Path:
    """The figures of that store by hand-written SQL."""
    into = store.with_name("hand.parquet")
    hand_sql.build(store, now=NOW, first_month=FIRST_MONTH, into=into)
    return into


@pytest.mark.slow
def test_opening_and_movements_and_currency_give_the_closing(figures: Path) -> None:
    """In every month and cut MRR grows by the movements and the currency effect, and by nothing else."""
    broken = duckdb.sql(f"""
        PIVOT (FROM '{figures}' WHERE metric IN ('mrr', 'net_new_mrr', 'currency_effect_mrr'))
        ON metric USING first(value) GROUP BY month, dimension, dimension_value
    """)
    off = duckdb.sql("""
        SELECT * FROM broken
        QUALIFY abs(mrr - lag(mrr) OVER (PARTITION BY dimension, dimension_value ORDER BY month)
                    - net_new_mrr - currency_effect_mrr) > 0.0001
    """).fetchall()
    assert broken.shape[0] > 60 * 30
    assert off == []


@pytest.mark.slow
def test_polars_finds_the_same_movements(store: Path, figures: Path) -> None:
    """MRR and its movements worked out in polars, from the standard and not from the SQL, are the same to the cent."""
    found = polars_movements.build(store, now=NOW, first_month=FIRST_MONTH).to_arrow()
    wanted = duckdb.sql(f"FROM '{figures}' WHERE metric IN {hand_sql.MOVEMENTS.metrics}").to_arrow_table()
    compared = compare(found.select(SCHEMA.names).cast(SCHEMA), wanted)
    assert compared.agrees, compared


@pytest.mark.slow
def test_pandas_finds_the_same_movements(store: Path, figures: Path) -> None:
    """MRR and its movements worked out in pandas are the same to the cent."""
    built = pandas_movements.build(store, now=NOW, first_month=FIRST_MONTH)
    found = pa.Table.from_pandas(built, preserve_index=False)
    wanted = duckdb.sql(f"FROM '{figures}' WHERE metric IN {hand_sql.MOVEMENTS.metrics}").to_arrow_table()
    compared = compare(found.select(SCHEMA.names).cast(SCHEMA), wanted)
    assert compared.agrees, compared


@pytest.mark.slow
def test_one_query_per_metric_gives_the_same_figures(store: Path, figures: Path) -> None:
    """A query that works out one metric along one cut from the tables up finds what the shared scans found."""
    wanted = {tuple(row[:4]): row[4] for row in duckdb.sql(f"FROM '{figures}'").fetchall()}
    asked = [
        query
        for query in per_metric_sql.queries(["segment"])
        if query.metric in {"net_revenue_retention", "quick_ratio", "activation_rate", "sales_velocity"}
    ]
    assert len(asked) == 4
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{store}' AS store (READ_ONLY)")
        hand_sql.prepare(connection, now=NOW, first_month=FIRST_MONTH, currency="USD")
        for query in asked:
            rows = connection.execute(query.sql).fetchall()
            assert len(rows) >= 60 * 5
            for month, name, value in rows:
                expected = wanted[query.metric, date(month // 12, month % 12 + 1, 1), "segment", name]
                assert value == expected if expected is None else value == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_the_generator_writes_the_same_rows_again(store: Path, tmp_path: Path) -> None:
    """The same scale and seed give the same rows in every table; another seed gives others."""
    again, other = tmp_path / "again.duckdb", tmp_path / "other.duckdb"
    rows = generate(0.0001, again)
    generate(0.0001, other, seed=8)
    for entity in rows:
        first, second, third = (_digest(path, entity) for path in (store, again, other))
        assert first == second, entity
        if entity not in {"stages", "exchange_rates"}:
            assert first != third, entity


@pytest.mark.slow
def test_the_whole_store_holds_what_the_other_holds(store: Path, tmp_path: Path) -> None:
    """The same rows in every table but that of the people, and more tables, of which each has rows and a second run."""
    whole, again = tmp_path / "whole.duckdb", tmp_path / "again.duckdb"
    rows = generate_whole.generate(0.0001, whole)
    generate_whole.generate(0.0001, again)
    smaller = processes.rows_of(store)
    assert all(rows.values())
    assert rows.keys() > smaller.keys()
    for entity in rows:
        assert _digest(whole, entity) == _digest(again, entity), entity
        if entity in smaller and entity != "people":
            assert _digest(whole, entity) == _digest(store, entity), entity


def _digest(path: Path, table: str) -> tuple[Any, ...]:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute(f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {table} t").fetchone()
    assert row is not None
    return row


def test_a_figure_that_differs_or_is_missing_is_found() -> None:
    """A cent counts for money and a billionth for rates; a missing row counts unless it would be null or zero."""
    month = date(2024, 1, 1)
    left = [("mrr", 100.0), ("arr", 1200.0), ("win_rate", 0.5), ("quick_ratio", 2.0), ("lead_count", 0.0)]
    right = [("mrr", 100.004), ("arr", 1200.006), ("win_rate", 0.5 + 1e-8), ("quick_ratio", 2.0), ("new_mrr", 7.0)]
    tables = [
        pa.table(
            [[name for name, _ in rows], [month] * 5, [TOTAL] * 5, [""] * 5, [value for _, value in rows]],
            schema=SCHEMA,
        )
        for rows in (left, right)
    ]
    compared = compare(*tables)
    assert (compared.equal, compared.different, compared.only_left, compared.only_right) == (3, 2, 0, 1)
    assert compared.by_metric == {"arr": 1, "new_mrr": 1, "win_rate": 1}
    assert not compared.agrees
