"""Read a folder of canonical CSV files, named as the entities, straight into tables: the form of a worked case.

There is nothing to map and nothing to detect, so the values are strict: ISO days, instants with their zone, plain
decimals, `true` and `false`. A file with a header and no rows is an entity that is loaded and empty; a file that is
not there is an entity that was never loaded; a column that is not there is a field that was never loaded. Only types
are checked: a word outside a closed list or an end before its start may be the very thing that a case is about.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import SQL_TYPES, Entity, Field, FieldType
from revgauge.model.store import META_TABLES, create_entity_table, quoted


class CaseError(ValueError):
    """The files of a worked case cannot be read; `mistakes` has a sentence for each bad cell or name."""

    def __init__(self, folder: Path, mistakes: list[str]) -> None:
        """Keep the sentences and show them all."""
        self.mistakes = mistakes
        super().__init__(f"{folder}: {len(mistakes)} mistake(s)\n" + "\n".join(mistakes))


def read_case_tables(folder: Path, connection: DuckDBPyConnection) -> None:
    """Create and fill the entity tables and `loaded_fields` from the CSV files of that folder.

    Raises CaseError with every unknown file, unknown column and bad cell at once.
    """
    connection.execute(f"CREATE TABLE loaded_fields ({META_TABLES['loaded_fields']})")
    mistakes: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in ENTITIES:
            mistakes.append(f"{path.name}: no entity has this name{_did_you_mean(path.stem, list(ENTITIES))}")
            continue
        _read_entity(path, ENTITIES[path.stem], connection, mistakes)
    if mistakes:
        raise CaseError(folder, mistakes)


def _read_entity(path: Path, entity: Entity, connection: DuckDBPyConnection, mistakes: list[str]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        lines = [line for line in csv.reader(handle) if line]
    if not lines:
        mistakes.append(f"{path.name}: the file is empty; a loaded and empty entity still needs its header")
        return
    header, *rows = lines
    before = len(mistakes)
    known = [name for name in header if name in entity.field_names]
    for name in header:
        if name not in entity.field_names:
            wanted = _did_you_mean(name, list(entity.field_names))
            mistakes.append(f"{path.name}, row 1: {entity.name} has no field `{name}`{wanted}")
        elif header.count(name) > 1:
            mistakes.append(f"{path.name}, row 1: the column `{name}` stands there twice")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            mistakes.append(f"{path.name}, row {number}: {len(row)} values where the header has {len(header)}")
    if len(mistakes) > before:
        return
    columns: dict[str, pa.Array] = {}
    for position, name in enumerate(header):
        field = entity.field(name)
        values = _values(path, field, [row[position] for row in rows], mistakes)
        columns[name] = pa.array(values, type=_ARROW_TYPES[field.type])
    create_entity_table(connection, entity.name)
    if rows and not mistakes:
        incoming = pa.table(columns)
        connection.register("incoming_case_rows", incoming)
        names = ", ".join(map(quoted, known))
        casts = ", ".join(f"{quoted(name)}::{SQL_TYPES[entity.field(name).type]}" for name in known)
        connection.execute(f"INSERT INTO {quoted(entity.name)} ({names}) SELECT {casts} FROM incoming_case_rows")
        connection.unregister("incoming_case_rows")
    facts = [(entity.name, name, len(rows), len(rows) - columns[name].null_count) for name in known]
    listed = [cell for fact in facts for cell in fact]
    connection.execute(f"INSERT INTO loaded_fields VALUES {', '.join(['(?, ?, ?, ?)'] * len(facts))}", listed)


def _values(path: Path, field: Field, texts: list[str], mistakes: list[str]) -> list[Any]:
    parse = _PARSERS[field.type]
    values: list[Any] = []
    for number, text in enumerate(texts, start=2):
        try:
            value = parse(text) if text != "" else None
        except (ValueError, ArithmeticError):
            value = None
            mistakes.append(
                f"{path.name}, row {number}, {field.name}: `{text}` is not {_EXPECTED[field.type]}",
            )
        values.append(value)
    return values


def _did_you_mean(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def _decimal(places: int) -> Callable[[str], Decimal]:
    def parse(text: str) -> Decimal:
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
            raise ValueError(text)
        value = Decimal(text)
        if round(value, places) != value or value.adjusted() >= 18 - places:
            raise ValueError(text)
        return value

    return parse


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _instant(text: str) -> datetime:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the store keeps UTC without a zone mark
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC).replace(tzinfo=None)


_PARSERS: dict[FieldType, Callable[[str], Any]] = {
    "text": str,
    "integer": _integer,
    "number": _decimal(8),
    "money": _decimal(6),
    "boolean": _boolean,
    "date": _day,
    "instant": _instant,
}

_ARROW_TYPES: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.decimal128(18, 8),
    "money": pa.decimal128(18, 6),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "instant": pa.timestamp("us"),
}

_EXPECTED: dict[FieldType, str] = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a decimal number with at most 8 places",
    "money": "an amount with at most 6 places",
    "boolean": "`true` or `false`",
    "date": "a day such as 2025-03-01",
    "instant": "an instant with its zone such as 2025-03-01T00:00:00Z",
}
