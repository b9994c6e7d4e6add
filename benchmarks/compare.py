"""Are two sets of figures the same, to the cent for money and counts and to 1e-9 for the rest?

The hand-written SQL was made from the standard alone, so this is a second opinion on the product and not only a check
that both were asked the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("metric", pa.string()),
        ("month", pa.date32()),
        ("dimension", pa.string()),
        ("dimension_value", pa.string()),
        ("value", pa.float64()),
    ]
)
"""The form in which figures are compared; no dimension is `total` with an empty value."""

CENT = 0.005
RELATIVE = 1e-9

_IN_CENTS = (
    "suffix(metric, '_mrr') OR suffix(metric, '_count') OR suffix(metric, '_customers') OR metric IN ("
    "'mrr', 'arr', 'average_revenue_per_account', 'average_revenue_per_user', "
    "'opportunities_created_value', 'average_deal_value', 'sales_velocity', 'renewals_due', 'receivables', "
    "'overdue_amount', 'revenue', 'acquisition_cost', 'customer_acquisition_cost', 'touched_revenue', "
    "'attributed_revenue', 'headcount')"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure on which the two sides do not agree."""

    metric: str
    month: str
    dimension: str
    dimension_value: str
    left: float | None
    right: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out of comparing two sets of figures."""

    equal: int
    different: int
    only_left: int
    """Figures that only the left side has, and that say something: neither null nor zero."""
    only_right: int
    by_metric: dict[str, int] = field(default_factory=dict)
    """How many figures of a metric differ or are missing."""
    examples: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        """Nothing differs and nothing that says something is missing."""
        return not (self.different or self.only_left or self.only_right) and self.equal > 0


def compare(left: pa.Table, right: pa.Table, *, examples: int = 20) -> Comparison:
    """Set two tables of figures (`SCHEMA`) beside each other.

    A row that is missing counts as a null or a zero: whether a cut without any row is shown is a matter of taste.
    A figure given twice is a mistake of the side that gives it and raises ValueError.
    """
    with duckdb.connect() as connection:
        for name, table in (("left_rows", left), ("right_rows", right)):
            connection.register(name, table.select(SCHEMA.names).cast(SCHEMA))
            twice = connection.execute(
                f"SELECT metric, month, dimension, dimension_value FROM {name} GROUP BY ALL HAVING count(*) > 1 LIMIT 1"
            ).fetchone()
            if twice:
                raise ValueError(f"given twice: {twice}")
        connection.execute(f"""
            CREATE TEMP TABLE judged AS
            SELECT metric, month, dimension, dimension_value, l.value AS left_value, r.value AS right_value,
                CASE
                    WHEN l.metric IS NULL THEN CASE WHEN coalesce(r.value, 0) = 0 THEN 'equal' ELSE 'only right' END
                    WHEN r.metric IS NULL THEN CASE WHEN coalesce(l.value, 0) = 0 THEN 'equal' ELSE 'only left' END
                    WHEN l.value IS NULL AND r.value IS NULL THEN 'equal'
                    WHEN l.value IS NULL OR r.value IS NULL THEN 'different'
                    WHEN abs(l.value - r.value) > CASE WHEN {_IN_CENTS} THEN {CENT}
                        ELSE {RELATIVE} * greatest(1, abs(r.value)) END THEN 'different'
                    ELSE 'equal'
                END AS verdict
            FROM left_rows l
            FULL JOIN right_rows r USING (metric, month, dimension, dimension_value)
        """)
        verdicts = dict(connection.execute("SELECT verdict, count(*) FROM judged GROUP BY verdict").fetchall())
        by_metric = dict(
            connection.execute(
                "SELECT metric, count(*) FROM judged WHERE verdict <> 'equal' GROUP BY metric ORDER BY ALL"
            ).fetchall()
        )
        shown = connection.execute(
            "SELECT metric, month::VARCHAR, dimension, dimension_value, left_value, right_value FROM judged "
            "WHERE verdict <> 'equal' QUALIFY 3 >= row_number() OVER ("
            "    PARTITION BY metric ORDER BY dimension <> 'total', month, dimension, dimension_value) "
            f"ORDER BY ALL LIMIT {examples}"
        ).fetchall()
    return Comparison(
        verdicts.get("equal", 0),
        verdicts.get("different", 0),
        verdicts.get("only left", 0),
        verdicts.get("only right", 0),
        by_metric,
        tuple(Difference(*row) for row in shown),
    )
