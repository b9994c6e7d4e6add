"""Published values: one file of one build, replaced as a whole.

Values are written into a new file beside the old one, brought to disk and put in its place with one rename, so that a
reader sees the old build or the new one and never a mixture, also when the build is killed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from revgauge.model.period import Grain
from revgauge.model.store import literal

NUMBER = pa.decimal128(38, 12)
"""Published values are exact to twelve places."""

TEXT = pa.dictionary(pa.int32(), pa.string())
"""A column of texts of which most occur often: each is there once, and every row has its number."""

SCHEMA = pa.schema(
    [
        ("metric", TEXT),
        ("grain", TEXT),
        ("period", TEXT),
        ("period_start", pa.date32()),
        ("period_end", pa.date32()),
        ("dimension", TEXT),
        ("dimension_value", TEXT),
        ("value", NUMBER),
        ("reason", TEXT),
        ("marks", TEXT),
        ("numerator", NUMBER),
        ("denominator", NUMBER),
        ("definition_version", TEXT),
    ]
)

PLAIN = pa.schema([(field.name, pa.string() if field.type == TEXT else field.type) for field in SCHEMA])
"""The same with the texts themselves, for databases that know of nothing else."""

ROW_GROUP = 122_880
"""Rows that DuckDB compresses and writes together."""

FEW = 10_000
"""A column of no more different texts is an enumeration: written much faster than texts, and read the same."""


@dataclass
class Built:
    """The values of a build, and what could not be computed at all."""

    values: pa.Table
    metrics: int
    not_computable: dict[str, str]


def publish(built: Built, path: Path, facts: Mapping[str, str]) -> None:
    """Put the values in place of the last published ones, in one step."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.unlink(missing_ok=True)
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH {literal(beside)} AS published (STORAGE_VERSION 'v1.0.0')")
        chunks = built.values.to_batches(max_chunksize=ROW_GROUP)
        connection.register("computed", pa.Table.from_batches(chunks, SCHEMA))
        different = {field.name: pc.unique(built.values[field.name]) for field in SCHEMA if field.type == TEXT}
        few = [name for name, texts in different.items() if len(texts) <= FEW]
        for name in few:
            # An enumeration of nothing cannot be read, so there is always the empty text.
            listed = ", ".join(literal(word) for word in sorted({"", *different[name].to_pylist()}))
            connection.execute(f"CREATE TYPE published.{name}_word AS ENUM ({listed})")
        words = ", ".join(f"CAST({name} AS published.{name}_word) AS {name}" for name in few)
        values = f"SELECT * REPLACE ({words}) FROM computed"  # noqa: S608 - the same
        connection.execute(f"CREATE TABLE published.metric_values AS {values}")
        connection.execute("CREATE TABLE published.build (name VARCHAR, value VARCHAR)")
        if facts:
            connection.executemany("INSERT INTO published.build VALUES (?, ?)", [list(pair) for pair in facts.items()])
        connection.execute("CREATE TABLE published.not_computable (metric VARCHAR, reason VARCHAR)")
        if built.not_computable:
            connection.executemany(
                "INSERT INTO published.not_computable VALUES (?, ?)",
                [list(pair) for pair in built.not_computable.items()],
            )
        connection.execute("DETACH published")
    finally:
        connection.close()
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True)
class Published:
    """The last published build, opened for reading."""

    path: Path

    def facts(self) -> dict[str, str]:
        """What is known of the build: its id, day, time and the load it read; empty if there is none."""
        return {} if not self.path.exists() else dict(self._rows("SELECT name, value FROM build"))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        # Attached, not connected to: connections to one path share what the first of them opened, and as long as any of
        # them is in use the next ones would still see a build that was replaced meanwhile.
        connection = duckdb.connect()
        try:
            connection.execute(f"ATTACH {literal(self.path)} AS published (READ_ONLY)")
            connection.execute("USE published")
            return connection.execute(query, list(values)).fetchall()
        finally:
            connection.close()

    def values(self, metric: str, grain: Grain, dimension: str = "") -> list[dict[str, Any]]:
        """The published values of a metric, in the order of periods and dimension values."""
        names = SCHEMA.names
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM metric_values WHERE metric = ? AND grain = ? AND dimension = ? "  # noqa: S608 - names of our own schema
            "ORDER BY period_start, dimension_value",
            (metric, grain, dimension),
        )
        return [dict(zip(names, row, strict=True)) for row in rows]
