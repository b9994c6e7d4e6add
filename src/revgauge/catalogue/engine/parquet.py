"""A folder of Parquet files, one or more for each table, and a file that says which of them count.

Files are never changed. New ones are written beside the old, then a new list takes the place of the old one with a
rename; a reader that has read the list reads the files that it names. Files that neither the list nor the one before
it names are removed by the next who writes.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from revgauge.catalogue.engine.base import Rows

LIST = "tables.json"
ROWS_IN_GROUP = 500_000
"""Rows that a worker reads at a time."""


@dataclass(frozen=True)
class ParquetFolder:
    """The tables of a folder as its list named them when it was read."""

    folder: Path
    paths: Mapping[str, str]
    """Table: its files' folder, from this one."""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For files that stand elsewhere: what is read of them."""

    @classmethod
    def of(cls, folder: Path) -> ParquetFolder:
        """The folder as it is now; empty if nothing was ever written there."""
        try:
            told = json.loads((folder / LIST).read_text(encoding="utf-8"))
            return cls(folder, told["tables"], told["columns"])
        except FileNotFoundError:
            return cls(folder, {})

    def path(self, name: str) -> Path:
        """Where the files of a table are; KeyError if there is no such table."""
        return self.folder / self.paths[name]

    def replaced(self, tables: Mapping[str, Rows], gone: Collection[str] = ()) -> ParquetFolder:
        """The folder with these tables written anew and those that are gone left out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        made = uuid.uuid4().hex[:12]
        try:
            for name, rows in tables.items():
                _write(self.folder / made / name, rows)
            paths = {name: path for name, path in self.paths.items() if name not in gone}
            paths |= {name: f"{made}/{name}" for name in tables}
            columns = {name: told for name, told in self.columns.items() if name in paths and name not in tables}
            made_now = ParquetFolder(self.folder, paths, columns)
            made_now._point()
        except BaseException:
            shutil.rmtree(self.folder / made, ignore_errors=True)
            raise
        self._sweep({*self.paths.values(), *paths.values()})
        return made_now

    def standing(self, name: str, path: str, columns: Mapping[str, str]) -> ParquetFolder:
        """The folder with a table whose files stand elsewhere."""
        self.folder.mkdir(parents=True, exist_ok=True)
        made = ParquetFolder(self.folder, {**self.paths, name: path}, {**self.columns, name: columns})
        made._point()
        return made

    def _point(self) -> None:
        beside = self.folder / f"{LIST}.{os.getpid()}.new"
        with beside.open("w", encoding="utf-8") as file:
            json.dump({"tables": dict(self.paths), "columns": self.columns}, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.folder / LIST)

    def _sweep(self, named: Collection[str]) -> None:
        for path in self.folder.glob(f"{LIST}.*.new"):
            path.unlink(missing_ok=True)
        for path in self.folder.glob("*/*"):
            if f"{path.parent.name}/{path.name}" not in named:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.iterdir():
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _write(folder: Path, rows: Rows) -> None:
    folder.mkdir(parents=True)
    path = folder / "part-0.parquet"
    with rows() as reader, pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        pending: list[pa.RecordBatch] = []
        for batch in reader:
            pending.append(batch)
            if sum(held.num_rows for held in pending) >= ROWS_IN_GROUP:
                writer.write_table(pa.Table.from_batches(pending, reader.schema))
                pending = []
        if pending:
            writer.write_table(pa.Table.from_batches(pending, reader.schema))
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
