"""The figures of the first metric families in SQL written by hand, each table read as few times as can be.

Two uses. As a yardstick for speed: every stage is a temporary table that all figures after it share, and every sum for
the total and the five dimensions comes from one statement with grouping sets. As a second opinion on the figures: the
SQL was written from the standard alone, so agreement with the product to the cent means something.

The statements stand in `*.sql`, cut into named stages; `{cut_name}`, `{cut_code}` and `{cut_sets}` are filled in with
what a family is cut by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import SQL_TYPES

HERE = Path(__file__).parent

TOTAL = "total"
"""The cut that is no cut."""


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics that are worked out together: a column each of one stage."""

    name: str
    dimensions: tuple[str, ...]
    figures: str
    metrics: tuple[str, ...]
    files: tuple[str, ...]
    """Where its stages stand, in this order."""


FAMILIES = (
    Family(
        "recurring",
        ("segment", "region", "industry", "channel", "owner_id"),
        "revenue_figures",
        (
            "mrr",
            "arr",
            "active_customers",
            "average_revenue_per_account",
            "average_revenue_per_user",
            "new_mrr",
            "expansion_mrr",
            "contraction_mrr",
            "churned_mrr",
            "reactivation_mrr",
            "currency_effect_mrr",
            "net_new_mrr",
            "upsell_mrr",
            "cross_sell_mrr",
            "price_change_mrr",
            "new_customers",
            "churned_customers",
            "reactivated_customers",
            "upsell_rate",
            "cross_sell_rate",
            "quick_ratio",
            "mrr_growth_rate",
            "logo_churn_rate",
            "customer_retention_rate",
            "gross_revenue_retention",
            "net_revenue_retention",
            "gross_revenue_churn_rate",
            "net_revenue_churn_rate",
        ),
        ("shared", "recurring"),
    ),
    Family(
        "funnel",
        ("direction", "channel", "segment", "region", "industry"),
        "funnel_figures",
        (
            "lead_count",
            "marketing_qualified_lead_count",
            "sales_accepted_lead_count",
            "sales_qualified_lead_count",
            "lead_to_opportunity_rate",
            "lead_to_accepted_opportunity_rate",
            "activation_rate",
            "lead_activation_gap",
        ),
        ("shared", "funnel"),
    ),
    Family(
        "sales",
        ("type", "channel", "segment", "region", "industry"),
        "sales_figures",
        (
            "opportunities_created_count",
            "opportunities_created_value",
            "pitched_rate",
            "closed_rate",
            "win_rate",
            "win_rate_value",
            "average_deal_value",
            "sales_cycle_days",
            "sales_velocity",
        ),
        ("shared", "sales"),
    ),
)

MOVEMENTS = Family(
    "movements",
    FAMILIES[0].dimensions,
    "movement_figures",
    (
        "mrr",
        "new_mrr",
        "expansion_mrr",
        "contraction_mrr",
        "churned_mrr",
        "reactivation_mrr",
        "currency_effect_mrr",
        "net_new_mrr",
    ),
    ("shared", "recurring", "movements"),
)
"""MRR and its movements alone, as `polars_movements` works them out."""

_ACCOUNT = ("segment", "region", "industry", "channel")
"""Dimensions of an account that a build publishes."""

THIRD = (
    replace(
        FAMILIES[0],
        dimensions=_ACCOUNT,
        metrics=(
            "mrr",
            "active_customers",
            "new_mrr",
            "churned_mrr",
            "new_customers",
            "logo_churn_rate",
            "gross_revenue_retention",
            "net_revenue_retention",
        ),
    ),
    replace(FAMILIES[1], metrics=("lead_count", "activation_rate")),
    replace(FAMILIES[2], metrics=("opportunities_created_count", "win_rate", "sales_velocity")),
    Family(
        "renewals",
        (*_ACCOUNT, "auto_renew"),
        "renewal_figures",
        ("renewals_due", "renewal_rate", "renewal_rate_value"),
        ("shared", "recurring", "renewals"),
    ),
    Family(
        "cash",
        _ACCOUNT,
        "cash_figures",
        (
            "receivables",
            "overdue_amount",
            "days_sales_outstanding",
            "on_time_payment_rate",
            "invoice_to_cash_days",
        ),
        ("shared", "cash"),
    ),
    Family("revenue", _ACCOUNT, "earned_figures", ("revenue",), ("shared", "recurring", "costs")),
    Family("lifetime", _ACCOUNT, "lifetime_figures", ("lifetime_value",), ("shared", "recurring", "costs")),
    Family(
        "acquisition",
        ("department", "channel"),
        "acquisition_figures",
        ("acquisition_cost", "customer_acquisition_cost"),
        ("shared", "recurring", "costs"),
    ),
    Family(
        "payback",
        ("channel",),
        "payback_figures",
        ("customer_acquisition_payback_months",),
        ("shared", "recurring", "costs"),
    ),
    Family("market", ("segment",), "market_figures", ("market_penetration",), ("shared", "recurring", "costs")),
    Family("people", ("department",), "people_figures", ("headcount",), ("shared", "costs")),
    Family(
        "credit",
        ("department", "channel"),
        "credit_figures",
        ("touched_revenue", "attributed_revenue"),
        ("shared", "credit"),
    ),
)
"""A third of the metrics that a build of the whole catalogue publishes, some of each family, each by its own cuts."""

_HELPERS = """
CREATE TEMP MACRO now_day() AS DATE '{now}';
CREATE TEMP MACRO end_of_now() AS TIMESTAMP '{now}' + INTERVAL 1 DAY;
CREATE TEMP MACRO first_month() AS DATE '{first_month}';
CREATE TEMP MACRO calendar_start() AS (DATE '{first_month}' - INTERVAL 13 MONTH)::DATE;
CREATE TEMP MACRO reporting_currency() AS '{currency}';
CREATE TEMP MACRO month_number(day) AS (12 * year(day) + month(day) - 1)::INTEGER;
CREATE TEMP MACRO known(instant) AS CASE WHEN instant < end_of_now() THEN instant END;
CREATE TEMP MACRO share(part, whole) AS CASE WHEN whole > 0 THEN part::DOUBLE / whole::DOUBLE END;
CREATE TEMP MACRO money(amount, rate) AS
    CASE WHEN bool_or(amount <> 0 AND rate IS NULL) THEN NULL ELSE coalesce(sum(amount * rate), 0) END;
"""


_ASSUMED = {
    "payers": ("is_mixed", "this SQL sums before it converts, which asks for one currency for each account"),
    "lowerings": ("is_foreign", "this SQL converts no payments, which asks for the currency of the bill in each"),
}
"""What the SQL takes for granted of the rows of a stage: a mark of those that break it, and what it says then."""


def stages(family: Family) -> dict[str, str]:
    """The statements that the figures of a family stand on, by name, each after those that it reads."""
    text = "\n".join((HERE / f"{name}.sql").read_text(encoding="utf-8") for name in family.files)
    parts = re.split(r"^-- stage: (\w+)\n", text, flags=re.MULTILINE)
    known = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    needed = read_by(known[family.figures], known) | {family.figures}
    return {name: statement for name, statement in known.items() if name in needed}


def read_by(statement: str, known: Mapping[str, str]) -> set[str]:
    """Names of the stages which a statement reads, and of those which they read in turn."""
    found: set[str] = set()
    waiting = [statement]
    while waiting:
        code = re.sub(r"--.*", "", waiting.pop())
        fresh = set(re.findall(r"\w+", code)) & set(known) - found
        found |= fresh
        waiting += [known[name] for name in fresh]
    return found


def cut_by(statement: str, dimensions: Sequence[str]) -> str:
    """Fill in what a statement is cut by: each of the dimensions, and the total among them, side by side."""
    columns = [name for name in dimensions if name != TOTAL]
    sets = ", ".join("()" if name == TOTAL else f"({name})" for name in dimensions)
    names = " ".join(f"WHEN GROUPING({name}) = 0 THEN '{name}'" for name in columns)
    filled = {
        "{cut_name}": f"CASE {names} ELSE '{TOTAL}' END" if columns else f"'{TOTAL}'",
        "{cut_code}": f"coalesce({', '.join(columns)}, 0)::USMALLINT" if columns else "0::USMALLINT",
        "{cut_sets}": f"GROUPING SETS ({sets})",
    }
    for mark, text in filled.items():
        statement = statement.replace(mark, text)
    return statement


def prepare(
    connection: duckdb.DuckDBPyConnection, *, now: date, first_month: date, currency: str, schema: str = "store.main"
) -> None:
    """Define the helpers and make every entity readable by its name; an entity that was not loaded is empty."""
    connection.execute(_HELPERS.format(now=now, first_month=first_month, currency=currency))
    catalog, _, name = schema.partition(".")
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ?", [catalog, name]
    ).fetchall()
    loaded = {row[0] for row in found}
    for entity in ENTITIES.values():
        if entity.name in loaded:
            connection.execute(f"CREATE TEMP VIEW {entity.name} AS FROM {schema}.{entity.name}")
        else:
            columns = ", ".join(f"{field.name} {SQL_TYPES[field.type]}" for field in entity.fields)
            connection.execute(f"CREATE TEMP TABLE {entity.name} ({columns})")


def run_stages(connection: duckdb.DuckDBPyConnection, families: Iterable[Family] = FAMILIES) -> None:
    """Work out every stage once, as a temporary table each, and the long table `figures` from them."""
    connection.execute(
        "CREATE TEMP TABLE figures "
        "(metric VARCHAR, month DATE, dimension VARCHAR, dimension_value VARCHAR, value DOUBLE)"
    )
    done: set[str] = set()
    for family in families:
        for name, statement in stages(family).items():
            if name in done:
                continue
            done.add(name)
            connection.execute(f"CREATE TEMP TABLE {name} AS {cut_by(statement, (TOTAL, *family.dimensions))}")
            if name in _ASSUMED:
                _check(connection, name)
        connection.execute(f"INSERT INTO figures {long_form(family.figures, family.metrics)}")


def long_form(figures: str, metrics: Sequence[str]) -> str:
    """Rows of (metric, month, dimension, dimension value, value) from a table with a column for each metric."""
    columns = ", ".join(f"{metric}::DOUBLE AS {metric}" for metric in metrics)
    return f"""
        SELECT metric, make_date(month // 12, month % 12 + 1, 1) AS month, dimension,
            CASE WHEN dimension <> '{TOTAL}' THEN dimension_value ELSE '' END AS dimension_value, value
        FROM (SELECT month, dimension, dimension_value, {columns} FROM {figures})
        UNPIVOT INCLUDE NULLS (value FOR metric IN ({", ".join(metrics)}))
    """


def _check(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    mark, reason = _ASSUMED[name]
    if connection.execute(f"SELECT 1 FROM {name} WHERE {mark} LIMIT 1").fetchone():
        raise ValueError(reason)


def build(
    store: Path,
    *,
    now: date,
    first_month: date,
    currency: str = "USD",
    families: Iterable[Family] = FAMILIES,
    into: Path | None = None,
    memory_limit: str | None = None,
) -> int:
    """Work out all figures of a store and write them to a Parquet file; returns how many there are."""
    with duckdb.connect() as connection:
        if memory_limit:
            connection.execute(f"SET memory_limit = '{memory_limit}'")
        if into is not None:
            connection.execute(f"SET temp_directory = '{into.with_suffix('.scratch')}'")
        connection.execute(f"ATTACH '{store}' AS store (READ_ONLY)")
        prepare(connection, now=now, first_month=first_month, currency=currency)
        run_stages(connection, families)
        if into is not None:
            connection.execute(f"COPY figures TO '{into}' (FORMAT parquet)")
        found = connection.execute("SELECT count(*) FROM figures").fetchone()
    return int(found[0]) if found else 0
