"""One column of an input, read as one kind of value: the SQL that reads its plain spellings.

Plain spellings are read by the engine, a column at a time. Every text that this SQL leaves empty is odd: it goes, once
for each distinct text, to `oddities`, which reads what is clear and says what is wrong with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from revgauge.model.fields import SQL_TYPES, Field
from revgauge.model.store import literal
from revgauge.sources.expressions import CellKind
from revgauge.sources.readers.base import MARK

NULL_WORDS = ("null", "n/a", "-", "(none)", "--none--")
"""Words that mean empty in every column but names and comments."""

FREE_TEXT = {"name", "title", "comment", "email", "text", "notes"}
"""Fields in which a word such as `null` may be meant."""

SPACES = " \t\r\n\u00a0"

ISO_DAY = r"\d{4}-\d\d-\d\d"
ISO_TIME = ISO_DAY + r"[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?"
NUMERIC_DAY = r"\d{1,2}(/\d{1,2}/|\.\d{1,2}\.|-\d{1,2}-)\d{4}"
ISO_ZONED = ISO_TIME + r" ?(Z|UTC|[+-]\d\d(:?\d\d)?)"

_KIND_OF_TYPE: dict[str, CellKind] = {
    "text": "text",
    "integer": "number",
    "number": "number",
    "money": "number",
    "boolean": "boolean",
    "date": "day",
    "instant": "instant",
}

_WIDE = "DECIMAL(38, 12)"
"""Numbers that are still to be converted keep twelve places."""


@dataclass(slots=True)
class Cell:
    """A column of an input and how it is read."""

    name: str
    column: str
    """As the header names it, for messages."""
    text_sql: str
    """The trimmed text over the rows of the input; null where the cell is empty."""
    kind: CellKind
    sql_type: str
    project_zone: str
    field: Field | None = None
    time_zone: str | None = None
    format: str | None = None
    date_format: str | None = None
    epoch: int | None = None
    """Units in a second, where the column counts time since 1970."""
    percent: bool = False
    serial_days: bool = False
    typed_numbers: bool = False
    marked: bool = False
    """Texts may carry a mark, so plain text is looked at too."""
    decimal: Literal[".", ",", "?"] | None = None
    """The decimal mark; `?`: it must be stated; None: not yet known, taken for a point."""
    order: Literal["DMY", "MDY"] | None = None
    """Which of the two comes first in days written with numbers, once that is proven or stated."""

    @property
    def whole(self) -> bool:
        """Whether only whole numbers fit."""
        return self.sql_type == "BIGINT"

    @property
    def shown(self) -> str:
        """The column as problems name it."""
        return self.column


def kind_of(field: Field) -> CellKind:
    """How a column is read that fills that field as it stands."""
    return _KIND_OF_TYPE[field.type]


def sql_type(kind: CellKind, field: Field | None, *, converted: bool) -> str:
    """The engine's type of a cell: the field's own, or a wide one where a unit or an expression is still to come."""
    if kind == "number":
        return _WIDE if field is None or converted else SQL_TYPES[field.type]
    return {"text": "VARCHAR", "boolean": "BOOLEAN", "day": "DATE", "instant": "TIMESTAMP", "same": "BIGINT"}[kind]


def filled(column: str, null_words: tuple[str, ...]) -> str:
    """The text of a column, already without space around it; null for empty and for words that mean empty."""
    if not null_words:
        return f"nullif({column}, '')"
    words = ", ".join(literal(word.lower()) for word in ("", *null_words))
    longest = max(map(len, null_words))
    return f"CASE WHEN length({column}) <= {longest} AND lower({column}) IN ({words}) THEN NULL ELSE {column} END"


def value_sql(cell: Cell, text: str) -> str:
    """SQL that reads the plain spellings of a cell from the column `text`, and gives null for all others."""
    if cell.kind == "same":
        return f"CAST({text} AS BIGINT)"
    if cell.kind == "text":
        return f"CASE WHEN starts_with({text}, '{MARK}') THEN NULL ELSE {text} END" if cell.marked else text
    if cell.kind == "boolean":
        return (
            f"CASE WHEN lower({text}) IN ('true', 't', 'yes', 'y', '1') THEN true "
            f"WHEN lower({text}) IN ('false', 'f', 'no', 'n', '0') THEN false END"
        )
    if cell.kind == "number":
        return _number(cell, text)
    if cell.epoch:
        pattern = r"-?\d{1,17}"
        moment = f"make_timestamp(TRY_CAST({text} AS BIGINT) * {1_000_000 // cell.epoch})"
        found = moment if cell.kind == "instant" else f"CAST({_from_utc(moment, cell.project_zone)} AS DATE)"
        return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN {found} END"
    return _day(cell, text) if cell.kind == "day" else _instant(cell, text)


def _number(cell: Cell, text: str) -> str:
    whole = r"[+-]?\d{1,26}"
    if cell.whole:
        return f"CASE WHEN regexp_full_match({text}, '{whole}') THEN TRY_CAST({text} AS BIGINT) END"
    if cell.decimal == ",":
        plain = f"replace({text}, ',', '.')"
        return (
            f"CASE WHEN regexp_full_match({text}, '{whole}(,\\d+)?') THEN TRY_CAST({plain} AS {cell.sql_type}) "
            f"WHEN regexp_full_match({text}, '[+-]?\\d{{1,3}}(\\.\\d{{3}})+(,\\d+)?') "
            f"THEN TRY_CAST(replace(replace({text}, '.', ''), ',', '.') AS {cell.sql_type}) END"
        )
    thousands = ""
    if cell.decimal == ".":
        grouped = f"regexp_full_match({text}, '[+-]?\\d{{1,3}}(,\\d{{3}})+(\\.\\d+)?')"
        thousands = f" WHEN {grouped} THEN TRY_CAST(replace({text}, ',', '') AS {cell.sql_type})"
    point = f"regexp_full_match({text}, '{whole}(\\.\\d+)?')"
    if cell.decimal == "?":
        point += f" AND NOT regexp_full_match({text}, '[+-]?[1-9]\\d{{0,2}}\\.\\d{{3}}')"
    return f"CASE WHEN {point} THEN TRY_CAST({text} AS {cell.sql_type}){thousands} END"


def _day(cell: Cell, text: str) -> str:
    if cell.format:
        return f"CAST(try_strptime({text}, {literal(cell.format)}) AS DATE)"
    zoned = f"CAST({_from_utc(_utc(text), cell.project_zone)} AS DATE)"
    cases = [
        f"WHEN regexp_full_match({text}, '{ISO_DAY}') THEN TRY_CAST({text} AS DATE)",
        f"WHEN regexp_full_match({text}, '{ISO_TIME}') THEN CAST(TRY_CAST({text} AS TIMESTAMP) AS DATE)",
        f"WHEN regexp_full_match({text}, '{ISO_ZONED}') THEN {zoned}",
    ]
    if cell.serial_days:
        serial = f"DATE '1899-12-30' + CAST(floor(CAST({text} AS DECIMAL(18, 8))) AS INTEGER)"
        cases.append(f"WHEN regexp_full_match({text}, '[1-9]\\d{{4}}(\\.\\d{{1,8}})?') THEN {serial}")
    if cell.order:
        cases.append(
            f"WHEN regexp_full_match({text}, '{NUMERIC_DAY}') THEN CAST({_ordered(cell, text, ('',))} AS DATE)"
        )
    if cell.date_format:
        cases.append(f"ELSE CAST(try_strptime({text}, {literal(cell.date_format)}) AS DATE)")
    return f"CASE {' '.join(cases)} END"


def _ordered(cell: Cell, text: str, times: tuple[str, ...]) -> str:
    """A day written with numbers, in the order of its column, with or without a time of day."""
    day = "%d/%m/%Y" if cell.order == "DMY" else "%m/%d/%Y"
    formats = ", ".join(literal(day + time) for time in times)
    return f"try_strptime(translate({text}, '.-', '//'), [{formats}])"


def _instant(cell: Cell, text: str) -> str:
    zone = cell.time_zone or cell.project_zone
    if cell.format:
        if "%z" in cell.format or "%Z" in cell.format:
            return f"timezone('UTC', try_strptime({text}, {literal(cell.format)}))"
        return _to_utc(f"CAST(try_strptime({text}, {literal(cell.format)}) AS TIMESTAMP)", zone)
    cases = [
        f"WHEN regexp_full_match({text}, '{ISO_ZONED}') THEN {_utc(text)}",
        f"WHEN regexp_full_match({text}, '{ISO_DAY}') THEN {_to_utc(f'TRY_CAST({text} AS TIMESTAMP)', zone)}",
    ]
    if cell.time_zone:
        cases.append(
            f"WHEN regexp_full_match({text}, '{ISO_TIME}') THEN {_to_utc(f'TRY_CAST({text} AS TIMESTAMP)', zone)}"
        )
        if cell.order:
            timed = _to_utc(_ordered(cell, text, (" %H:%M", " %H:%M:%S")), zone)
            cases.append(f"WHEN regexp_full_match({text}, '{NUMERIC_DAY} \\d{{1,2}}:\\d\\d(:\\d\\d)?') THEN {timed}")
    if cell.order:
        midnight = _to_utc(_ordered(cell, text, ("",)), zone)
        cases.append(f"WHEN regexp_full_match({text}, '{NUMERIC_DAY}') THEN {midnight}")
    return f"CASE {' '.join(cases)} END"


def _utc(text: str) -> str:
    """A text with a zone as a moment in UTC."""
    plain = f"TRY_CAST(rtrim({text}, 'Z') AS TIMESTAMP)"
    return f"CASE WHEN ends_with({text}, 'Z') THEN {plain} ELSE timezone('UTC', TRY_CAST({text} AS TIMESTAMPTZ)) END"


def _to_utc(moment: str, zone: str) -> str:
    """A local time of that zone as a moment in UTC."""
    return moment if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {moment}))"


def _from_utc(moment: str, zone: str) -> str:
    """A moment in UTC as the local time of that zone."""
    return moment if zone == "UTC" else f"timezone({literal(zone)}, timezone('UTC', {moment}))"


def day_to_instant(day: str, zone: str) -> str:
    """The first moment of a day in that zone."""
    return _to_utc(f"CAST({day} AS TIMESTAMP)", zone)


def instant_to_day(moment: str, zone: str) -> str:
    """The day that a moment falls on in that zone."""
    return f"CAST({_from_utc(moment, zone)} AS DATE)"
