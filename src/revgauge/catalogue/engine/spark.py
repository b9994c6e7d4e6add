"""Spark: entities in Parquet files that all workers can read, everything else in memory of the cluster.

What is kept is spread over the workers. Spark knows how each piece was made, so that a worker that dies takes nothing
with it: its pieces are made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import pyarrow as pa

from revgauge.catalogue.engine import meaning
from revgauge.catalogue.engine.base import Engine, EngineError, Place, Rows, held, settled
from revgauge.catalogue.engine.lane import Pending
from revgauge.catalogue.engine.parquet import ParquetFolder

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pyspark.sql import DataFrame, SparkSession

MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    # Without it a sum of two amounts of fourteen places has thirteen.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
}
"""Settings without which an expression would mean something else."""

FEW_BYTES = 1 << 22
"""A table that Spark expects to be no larger is brought here and sent along, so that later plans stay short."""


class Spark(Engine):
    """A Spark session."""

    name = "spark"
    rules = meaning.SPARK

    def __init__(self, session: SparkSession, folder: Path | None = None) -> None:
        """Use a session; the entities stand as Parquet files in the folder, or without one in what is added."""
        self.session = session
        self.backend = ibis.pyspark.connect(session)
        for name, value in MEANING.items():
            session.conf.set(name, value)
        self.files = None if folder is None else ParquetFolder.of(folder)
        self._made: dict[str, ir.Table] = {}
        self._held: dict[str, DataFrame] = {}

    def tables(self) -> set[str]:
        """The entities that have files."""
        return set(self._made if self.files is None else self.files.paths)

    def entity(self, name: str) -> ir.Table:
        """The table of an entity."""
        if self.files is not None and name not in self._made:
            path, columns = self.files.path(name), self.files.columns.get(name, {})
            frame = self.session.read.parquet(str(path))
            self._see(name, frame.selectExpr(*columns.values()) if columns else frame)
        return self._made[name]

    def replace(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> None:
        """Write Parquet files beside the old ones and point to them in one step."""
        if self.files is None:
            raise EngineError("this session has no folder for tables")
        self.files = self.files.replaced(tables, gone)

    def columns_at(self, place: Place) -> list[str]:
        """The columns of Parquet files."""
        if not place.parquet:
            raise EngineError(f"Spark reads Parquet where it stands, and {place} is a table. Write `parquet: folder`.")
        try:
            return list(self.session.read.parquet(place.parquet).columns)
        except Exception as error:
            first = str(error).splitlines()[0]
            raise EngineError(f"Spark cannot read {place} ({first}). Correct `parquet` in `in_place`.") from error

    def stand(self, name: str, place: Place, columns: Mapping[str, str]) -> None:
        """Files outside of the folder, named in its list."""
        if self.files is not None:
            told = {column: f"{expression} AS `{column}`" for column, expression in columns.items()}
            self.files = self.files.standing(name, place.parquet, told)

    def _see(self, name: str, frame: DataFrame, schema: sch.Schema | None = None) -> ir.Table:
        """A name for a data frame."""
        from ibis.backends.pyspark.datatypes import PySparkType  # noqa: PLC0415 - needs the extra

        frame.createOrReplaceTempView(name)
        known = settled(schema or sch.Schema(PySparkType.to_ibis(frame.schema)))
        self._made[name] = ops.DatabaseTable(name, schema=known, source=self.backend).to_expr()
        return self._made[name]

    def add(self, name: str, rows: pa.Table) -> ir.Table:
        """A view of rows that are sent along."""
        return self._see(name, self.session.createDataFrame(rows), ibis.schema(rows.schema))

    def keep(self, name: str, expression: ir.Table, schema: sch.Schema) -> Pending[int]:
        """Rows spread over the memory and disks of the workers, or here if they are few."""
        written = settled(expression.schema())
        query = self.written(expression, written)
        return self.lane.later(lambda: self._kept(name, query, written.names, schema))

    def _kept(self, name: str, query: str, columns: Sequence[str], schema: sch.Schema) -> int:
        from pyspark import StorageLevel  # noqa: PLC0415 - an extra

        frame = self.session.sql(query)
        if int(frame._jdf.queryExecution().optimizedPlan().stats().sizeInBytes()) <= FEW_BYTES:  # noqa: SLF001 - has no public name
            found = frame.toArrow()
            frame, rows = self.session.createDataFrame(found), int(found.num_rows)
        else:
            frame = frame.persist(StorageLevel.MEMORY_AND_DISK)
            rows = int(frame.count())
            self._held[name] = frame
        frame.createOrReplaceTempView(held(name))
        self.session.sql(self.seen(name, columns, schema)).createOrReplaceTempView(name)
        return rows

    def drop(self, name: str) -> Pending[None]:
        """Let go of the rows."""
        return self.lane.later(lambda: self._dropped(name))

    def _dropped(self, name: str) -> None:
        if name in self._held:
            self._held.pop(name).unpersist()
        for view in (name, held(name)):
            self.session.catalog.dropTempView(view)

    def arrow(self, text: str, schema: sch.Schema) -> Pending[pa.Table]:
        """The rows of a query."""
        return self.lane.later(lambda: self._rows(text, schema))

    def _rows(self, text: str, schema: sch.Schema) -> pa.Table:
        frame = self.session.sql(text)
        found: pa.Table = frame.toArrow()
        return found.cast(settled(schema).to_pyarrow())

    def close(self) -> None:
        """Let go of all rows; the connection to the cluster stays for the next."""
        for frame in self._held.values():
            frame.unpersist()
        for name in self._made:
            self.session.catalog.dropTempView(name)
