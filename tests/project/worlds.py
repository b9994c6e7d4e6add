"""Small worlds for the tests of own metrics: a project with definitions, and tables to evaluate them over."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import revgauge.derived
import revgauge.metrics
from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.registry import Catalogue, definitions_in
from revgauge.catalogue.rows import Listing, RowFinder
from revgauge.project.own_metrics import load_own_metrics
from revgauge.sources.canonical import read_case_tables
from revgauge.sources.problems import Problem

CASES = Path(__file__).resolve().parent.parent / "cases"

Definitions = tuple[Catalogue, list[Problem]]


def catalogue() -> Catalogue:
    """The definitions that come with the product."""
    return Catalogue(iter([*definitions_in(revgauge.derived), *definitions_in(revgauge.metrics)]))


def defined(folder: Path, yml: str = "", python: Mapping[str, str] | None = None) -> Definitions:
    """A catalogue with the definitions of a project, and what is wrong with them."""
    if yml:
        (folder / "metrics.yml").write_text(dedent(yml), encoding="utf-8")
    for name, text in (python or {}).items():
        (folder / "metrics").mkdir(exist_ok=True)
        (folder / "metrics" / name).write_text(dedent(text), encoding="utf-8")
    found = catalogue()
    return found, load_own_metrics(folder, found)


def tables(folder: Path, **entities: str) -> Path:
    """A folder with one CSV file for each entity, written from text."""
    for name, text in entities.items():
        rows = list(csv.reader(dedent(text).strip().splitlines()))
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return folder


class World:
    """Metrics of a catalogue over the tables of a folder."""

    def __init__(self, folder: Path, definitions: Catalogue, now: date, zone: str = "UTC") -> None:
        """Read the tables and look at them on the day `now`."""
        warehouse = Warehouse.in_memory()
        read_case_tables(folder, warehouse.connection)
        warehouse = Warehouse.over(warehouse.connection)
        self.evaluation = Evaluation(definitions, Context(warehouse, Settings(now, "USD", zone)))

    def request(self, metric: str, period: str, only: Mapping[str, str] | None = None) -> Request:
        """A question for one period."""
        return Request(metric, (self.evaluation.context.calendar.parse(period),), {}, (), only or {})

    def values(self, metric: str, period: str, by: str) -> dict[str, Decimal | None]:
        """The values of a metric by a dimension."""
        (result,) = self.evaluation.results([replace(self.request(metric, period), by=(by,))])
        return {value.dimensions[by]: value.value for value in result.values()}

    def found(self, metric: str, period: str, **only: str) -> Value:
        """One value of a metric, with its reason."""
        (result,) = self.evaluation.results([self.request(metric, period, only)])
        return next(iter(result.values()))

    def value(self, metric: str, period: str, **only: str) -> Decimal | None:
        """One value of a metric."""
        return self.found(metric, period, **only).value

    def rows(self, metric: str, period: str, **only: str) -> Listing:
        """The rows behind a value."""
        return RowFinder(self.evaluation).listing(self.request(metric, period, only))
