"""Reads the exports with nothing but a CSV reader, so that the tests do not lean on the product's loader."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path

from revgauge.demo.exports import Export, exports, records
from revgauge.demo.faults import FAULTS

Row = dict[str, str]

_BAD_KEYS = {fault.key for fault in FAULTS if fault.key}


class Exports:
    """The rows of the exports, by canonical entity and field; amounts and words as the files have them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._exports = {export.entity: export for export in (*exports(), *records())}
        self.rows = cache(self._good_rows)

    def entities(self) -> Iterable[str]:
        """The entities that have a file."""
        return self._exports

    def export(self, entity: str) -> Export:
        """How the entity is exported."""
        return self._exports[entity]

    def files(self, entity: str) -> list[Path]:
        """The files of an entity, in the order of their names."""
        pattern = f"{self._exports[entity].path}*.csv" if entity == "payments" else f"{self._exports[entity].path}.csv"
        return sorted(self.folder.glob(pattern))

    def lines(self, entity: str) -> list[tuple[str, ...]]:
        """Every line below the headers, as it stands."""
        found: list[tuple[str, ...]] = []
        for path in self.files(entity):
            with path.open(encoding="utf-8", newline="") as handle:
                found += [tuple(line) for line in csv.reader(handle)][1:]
        return found

    def _good_rows(self, entity: str) -> list[Row]:
        """The rows without the planted bad ones, those that stand twice once."""
        fields = [column.field for column in self._exports[entity].columns]
        unique = dict.fromkeys(self.lines(entity))
        rows = [dict(zip(fields, line, strict=True)) for line in unique if line[0] not in _BAD_KEYS]
        return [row for row in rows if entity != "quotas" or row["amount"]]

    def by_key(self, entity: str, key: str) -> dict[str, Row]:
        """The good rows by their key."""
        return {row[key]: row for row in self.rows(entity)}


def instant(text: str) -> datetime:
    """An instant in any of the forms of the exports, in UTC."""
    return datetime.fromisoformat(text[:19].replace("T", " "))


def day(text: str) -> date:
    """The day of a day or an instant."""
    return date.fromisoformat(text[:10])


def days_between(start: str, end: str) -> Fraction:
    """Exact days from one instant to the other."""
    return Fraction(int((instant(end) - instant(start)).total_seconds()), 86_400)


def mean(values: Iterable[Fraction | int]) -> Fraction:
    """The arithmetic mean; an error if there is nothing."""
    listed = list(values)
    return Fraction(sum(listed), len(listed))
