"""Canonical tables as plain rows: read from a folder of CSV files or from text values, typed by the data model."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import FieldType

Row = dict[str, Any]
TextRows = Mapping[str, Sequence[Mapping[str, str]]]


def typed(kind: FieldType, value: str | None) -> Any:
    """One cell in its own type; an empty cell is None. Numbers become exact fractions, instants UTC."""
    if value is None or value.strip() == "":
        return None
    if kind in {"money", "number", "integer"}:
        return Fraction(value)
    if kind == "boolean":
        return value.strip().lower() == "true"
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "instant":
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return value


class Tables:
    """The loaded entities. A name that is absent was never loaded; an empty list was loaded and has no rows."""

    def __init__(self, text: TextRows) -> None:
        """Type every cell; a column that no row has is None in every row."""
        self._rows: dict[str, list[Row]] = {}
        self._columns: dict[str, set[str]] = {}
        self.remembered: dict[Any, Any] = {}
        """Work that several questions about these tables share."""
        for name, rows in text.items():
            fields = ENTITIES[name].fields
            self._rows[name] = [{f.name: typed(f.type, row.get(f.name)) for f in fields} for row in rows]
            self._columns[name] = {column for row in rows for column in row}

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """The tables of a case folder: one CSV file for each entity."""
        return cls(read_text(folder))

    def loaded(self, *names: str) -> bool:
        """Whether all of these entities were loaded."""
        return all(name in self._rows for name in names)

    def has_column(self, name: str, column: str) -> bool:
        """Whether any row of the entity came with that column."""
        return column in self._columns.get(name, set())

    def rows(self, name: str) -> list[Row]:
        """The rows of an entity; none where it was never loaded."""
        return self._rows.get(name, [])


def read_text(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The text values of a case folder, one list of rows for each `<entity>.csv`."""
    text: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            text[path.stem] = [{k: v or "" for k, v in row.items()} for row in csv.DictReader(file)]
    return text


def chain_end(start: str, successor: Mapping[str, str]) -> str:
    """Follow `successor` from `start` to its end; on a loop stop where the walk would repeat itself."""
    here, seen = start, {start}
    while here in successor:
        if successor[here] in seen:
            return successor[here]
        here = successor[here]
        seen.add(here)
    return here


class Accounts:
    """Which account a row counts under, and what is known of it."""

    def __init__(self, tables: Tables) -> None:
        """Read merges (`duplicate_of`) and parents from the accounts table."""
        rows = tables.rows("accounts")
        self._row = {row["account_id"]: row for row in rows}
        self._merged = {row["account_id"]: row["duplicate_of"] for row in rows if row["duplicate_of"]}
        self._parent = {row["account_id"]: row["parent_account_id"] for row in rows if row["parent_account_id"]}

    def survivor(self, account_id: str | None) -> str | None:
        """The account that a merged one counts under."""
        return None if account_id is None else chain_end(account_id, self._merged)

    def top(self, account_id: str) -> str:
        """The head of the group that a surviving account belongs to."""
        here, seen = account_id, {account_id}
        while (parent := self._parent.get(here)) is not None:
            above = chain_end(parent, self._merged)
            if above in seen:
                return above
            here = above
            seen.add(here)
        return here

    def dimension(self, account_id: str | None, name: str) -> str:
        """The account's segment, region, … as it is now; what is not known is `unknown`."""
        survivor = self.survivor(account_id)
        if survivor is None:
            return "unknown"
        if name == "account_id":
            return survivor
        return self._row.get(survivor, {}).get(name) or "unknown"
