"""The same figures as a BI tool asks for them: one query for each metric and cut, each from the tables up.

Every query is put together from the stages of `hand_sql` that its one metric needs, as common table expressions, so it
is good SQL in itself; what it cannot do is share a scan, a join or a running total with the next query.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import expressions as exp

from benchmarks.hand_sql import FAMILIES, TOTAL, Family, cut_by, prepare, read_by, stages

_AXES = {"month", "dimension", "dimension_value"}


@dataclass(frozen=True, slots=True)
class Query:
    """One question: a metric by month along one cut."""

    metric: str
    cut: str
    sql: str


def queries(cuts: Sequence[str] | None = None, families: Sequence[Family] = FAMILIES) -> Iterator[Query]:
    """A query for each metric and each of its cuts; only those named in `cuts`, if given."""
    for family in families:
        for metric in family.metrics:
            for cut in (TOTAL, *family.dimensions):
                if cuts is None or cut in cuts:
                    yield Query(metric, cut, _query(family, metric, cut))


def _query(family: Family, metric: str, cut: str) -> str:
    known = _statements(family)
    last = _only(known[family.figures], metric)
    needed = read_by(last, known)
    parts = ", ".join(f"{name} AS (\n{cut_by(known[name], (cut,))}\n)" for name in known if name in needed)
    # The last stage always knows the whole company, so a query for another cut has to leave it out again.
    return (
        f"WITH {parts}, asked AS ({last}) SELECT month, dimension_value, {metric} FROM asked WHERE dimension = '{cut}'"
    )


@cache
def _statements(family: Family) -> dict[str, str]:
    return stages(family)


def _only(statement: str, metric: str) -> str:
    """The last stage with one metric, and without the joins which that metric does not read."""
    tree = sqlglot.parse_one(statement, dialect="duckdb")
    if not isinstance(tree, exp.Select):
        raise TypeError("the last stage of a family is one SELECT")
    tree.set("expressions", [column for column in tree.expressions if column.alias_or_name in {metric, *_AXES}])
    joins = tree.args.get("joins") or []
    read = {column.table for part in tree.expressions for column in part.find_all(exp.Column)}
    kept = [join for join in joins if join.side != "LEFT" or join.this.alias_or_name in read or "" in read]
    tree.set("joins", kept)
    return tree.sql(dialect="duckdb")


def build(
    store: Path, *, now: date, first_month: date, currency: str = "USD", cuts: Sequence[str] | None = None
) -> tuple[list[tuple[str, date, str, str, float | None]], int, float]:
    """Ask every question in turn; returns the figures, the number of queries and the seconds they took."""
    rows: list[tuple[str, date, str, str, float | None]] = []
    asked = list(queries(cuts))
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{store}' AS store (READ_ONLY)")
        prepare(connection, now=now, first_month=first_month, currency=currency)
        started = time.perf_counter()
        for query in asked:
            for month, value_of_cut, value in connection.execute(query.sql).fetchall():
                day = date(month // 12, month % 12 + 1, 1)
                shown = "" if query.cut == TOTAL else value_of_cut
                rows.append((query.metric, day, query.cut, shown, None if value is None else float(value)))
        seconds = time.perf_counter() - started
    return rows, len(asked), seconds
