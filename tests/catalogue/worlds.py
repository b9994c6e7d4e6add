"""Evaluations over a few rows written in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.oracle.generate import write_tables

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation
from revgauge.catalogue.registry import Catalogue
from revgauge.metrics import builtin_catalogue
from revgauge.sources.canonical import read_case_tables

NOW = date(2025, 3, 31)

Rows = Sequence[Mapping[str, str]]


def warehouse_over(tables: Mapping[str, Rows]) -> Warehouse:
    """A warehouse in which these tables were loaded; a table without rows was loaded and is empty."""
    warehouse = Warehouse.in_memory()
    with TemporaryDirectory() as folder:
        write_tables({name: [dict(row) for row in rows] for name, rows in tables.items()}, Path(folder))
        read_case_tables(Path(folder), warehouse.connection)
    return Warehouse.over(warehouse.connection)


def evaluation_over(
    tables: Mapping[str, Rows], catalogue: Catalogue | None = None, settings: Settings | None = None
) -> Evaluation:
    """An evaluation of a catalogue over these tables, by default the built-in one at the end of March 2025."""
    return Evaluation(catalogue or builtin_catalogue(), Context(warehouse_over(tables), settings or Settings(NOW)))
