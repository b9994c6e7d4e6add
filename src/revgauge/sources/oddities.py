"""Read the texts that are not plainly spelt, and say in words what is wrong with those that cannot be read.

What a column means is decided from all of its texts together, never from the first rows: a date column is day-first
because some day is above 12, a number column has a decimal comma because some text proves it. Where nothing proves it,
the texts are not read and the message names the setting to state.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from revgauge.sources.cells import Cell
from revgauge.sources.problems import Severity
from revgauge.sources.readers.base import MARK

Order = Literal["DMY", "MDY"]

_SYMBOLS = {
    "$": ("USD", "AUD", "CAD", "NZD", "SGD", "HKD", "MXN"),
    "US$": ("USD",),
    "€": ("EUR",),
    "£": ("GBP",),
    "¥": ("JPY", "CNY"),
    "₹": ("INR",),
    "A$": ("AUD",),
    "C$": ("CAD",),
    "R$": ("BRL",),
    "₩": ("KRW",),
    "zł": ("PLN",),
}
_CURRENCY = r"US\$|A\$|C\$|R\$|[$€£¥₹₩]|zł|[A-Z]{3}"
_AMOUNT = re.compile(
    rf"^(?P<open>\()?(?P<sign>[+-])?(?P<before>{_CURRENCY})?(?P<inner>[+-])?(?P<body>[\d.,]+)(?P<after>{_CURRENCY})?(?P<percent>%)?(?P<minus>-)?(?P<close>\))?$"
)
_BLANKS = re.compile(r"[\s\u00a0\u2007\u202f'\u2019]")
_POINT = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d*)?|\.\d+")
_COMMA = re.compile(r"\d{1,3}(\.\d{3})+(,\d+)?|\d+(,\d*)?|,\d+")

_TIME = (
    r"(?:[T ,]+(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?)?\s?(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?)?"
)
_NUMERIC = re.compile(rf"^(?P<a>\d{{1,2}})(?P<sep>[./-])(?P<b>\d{{1,2}})(?P=sep)(?P<y>\d{{4}}|\d\d){_TIME}$")
_YEAR_FIRST = re.compile(rf"^(?P<y>\d{{4}})(?P<sep>[./-])(?P<mo>\d{{1,2}})(?P=sep)(?P<d>\d{{1,2}}){_TIME}$")
_DAY_NAMED = re.compile(rf"^(?P<d>\d{{1,2}})\.?[ -](?P<name>[A-Za-z]{{3,9}})\.?,?[ -](?P<y>\d{{4}}|\d\d){_TIME}$")
_NAMED_DAY = re.compile(rf"^(?P<name>[A-Za-z]{{3,9}})\.? (?P<d>\d{{1,2}}),? (?P<y>\d{{4}}|\d\d){_TIME}$")
_MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip


class Verdict(NamedTuple):
    """What a text turned out to be: a value as plain text, or a reason."""

    value: str | None
    rule: str = ""
    reason: str = ""
    fix: str = ""
    setting: bool = False
    """A setting would make it readable."""
    severity: Severity = "error"
    currencies: tuple[str, ...] = ()
    """The currencies that the text itself names."""


@dataclass(frozen=True, slots=True)
class NumberProof:
    """What the texts of a number column prove about the decimal mark."""

    point: bool
    comma: bool
    ambiguous: bool


class _UnreadableError(ValueError):
    def __init__(
        self, rule: str, reason: str, fix: str, *, setting: bool = False, severity: Severity = "error"
    ) -> None:
        super().__init__(reason)
        self.verdict = Verdict(None, rule, reason, fix, setting, severity)


# ------------------------------------------------------------------------------------------------ marks and numbers


def number_proof(texts: Iterable[str], *, three_places: int, other_places: int) -> NumberProof:
    """What the odd texts, and the counts of plain texts with three and with other places, prove."""
    point, comma, ambiguous = other_places > 0, False, three_places > 0
    for text in texts:
        found = _AMOUNT.match(_BLANKS.sub("", text))
        if not found:
            continue
        body = found["body"]
        dots, commas = body.count("."), body.count(",")
        if dots and commas:
            last_comma = body.rfind(",") > body.rfind(".")
            comma, point = comma or last_comma, point or not last_comma
        elif commas == 1 or dots == 1:
            mark = "," if commas else "."
            before, after = body.split(mark)
            proves = len(after) != 3 or before.startswith("0") or len(before) > 3
            ambiguous = ambiguous or not proves
            comma, point = comma or (proves and mark == ","), point or (proves and mark == ".")
        elif commas > 1:
            point = True
        elif dots > 1:
            comma = True
    return NumberProof(point, comma, ambiguous)


def _number(cell: Cell, text: str) -> Verdict:
    compact = _BLANKS.sub("", text)
    if compact[:1] in "{[":
        kind = "an object" if compact[0] == "{" else "a list"
        raise _UnreadableError(
            "wrong_type", f"{kind} stands where a number should", "Correct the record, or map a key inside it."
        )
    if compact.lower() in {"true", "false"}:
        raise _UnreadableError(
            "wrong_type", f"`{text}` (true or false) stands where a number should", "Correct the record."
        )
    if re.fullmatch(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+", compact):
        if cell.typed_numbers:
            return Verdict(_fitting(cell, text, Decimal(compact)))
        raise _UnreadableError(
            "scientific_notation",
            f"`{text}` was shortened by a spreadsheet, so its last digits are lost",
            "Load the export without saving it from a spreadsheet first.",
        )
    found = _AMOUNT.match(compact)
    if not found or bool(found["open"]) != bool(found["close"]):
        raise _UnreadableError("not_a_number", f"`{text}` is not a number", "Correct the value in the source.")
    body = found["body"]
    form, mark = (_COMMA, ",") if cell.decimal == "," else (_POINT, ".")
    if not form.fullmatch(body):
        raise _decimal_mark(cell, text, body)
    if cell.decimal == "?" and re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", body):
        raise _decimal_mark(cell, text, body)
    digits = body.replace("." if mark == "," else ",", "").replace(",", ".")
    value = Decimal(digits)
    negative = found["open"] or found["minus"] or "-" in {found["sign"], found["inner"]}
    if found["percent"] and not cell.percent:
        value /= 100
    named = found["before"] or found["after"]
    currencies = _SYMBOLS.get(named, (named,)) if named else ()
    return Verdict(_fitting(cell, text, -value if negative else value), currencies=currencies)


def _decimal_mark(cell: Cell, text: str, body: str) -> _UnreadableError:
    if re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", body):
        small, big = body.replace(",", "."), body.replace(",", "").replace(".", "")
        reason = f"`{text}` can be read as {small} or as {big}"
    elif cell.decimal == ",":
        reason = f"`{text}` is not a number with a decimal comma"
    else:
        reason = f"`{text}` looks as if a comma were its decimal mark"
    return _UnreadableError(
        "decimal_mark", reason, 'State `decimal: ","` or `decimal: "."` for this column or its input.', setting=True
    )


def _fitting(cell: Cell, text: str, value: Decimal) -> str:
    if cell.whole:
        if value != value.to_integral_value():
            raise _UnreadableError("not_whole", f"`{text}` is not a whole number", "Correct the value in the source.")
        return format(value.to_integral_value(), "f")
    width, places = (int(part) for part in cell.sql_type.removeprefix("DECIMAL(").removesuffix(")").split(","))
    if value.adjusted() >= width - places:
        most = "9" * (width - places)
        raise _UnreadableError(
            "too_large",
            f"`{text}` is larger than {int(most):,}, the most that can be kept",
            "Check the value and its unit.",
        )
    return format(value, "f")


# -------------------------------------------------------------------------------------------------- days and instants


def proven_order(first: int | None, second: int | None) -> Order | Literal["both"] | None:
    """Day first or month first, as the greatest first and second numbers prove; `both` if they contradict."""
    day_first, month_first = (first or 0) > 12, (second or 0) > 12
    if day_first and month_first:
        return "both"
    return "DMY" if day_first else "MDY" if month_first else None


def date_order(texts: Iterable[str]) -> Order | Literal["both"] | None:
    """What the texts of a column prove about the order of day and month."""
    found = [match for text in texts if (match := _NUMERIC.match(text))]
    firsts, seconds = [int(match["a"]) for match in found], [int(match["b"]) for match in found]
    return proven_order(max(firsts, default=None), max(seconds, default=None))


def declared_order(date_format: str | None) -> Order | None:
    """The order that a stated format implies."""
    if not date_format or "%d" not in date_format or "%m" not in date_format:
        return None
    return "DMY" if date_format.index("%d") < date_format.index("%m") else "MDY"


def _moment(cell: Cell, text: str, order: Order | None) -> Verdict:
    if re.fullmatch(r"\d{10}|\d{13}", text) and cell.kind == "instant":
        unit = "epoch_seconds" if len(text) == 10 else "epoch_milliseconds"
        raise _UnreadableError(
            "notation",
            f"`{text}` looks like {unit.replace('epoch_', '')} since 1970",
            f"State `unit: {unit}` for this column.",
            setting=True,
        )
    found = _YEAR_FIRST.match(text) or _DAY_NAMED.match(text) or _NAMED_DAY.match(text) or _NUMERIC.match(text)
    if not found:
        raise _UnreadableError(
            "not_a_date", f"`{text}` is not a date", "Write it as in 2025-03-01, or state `format:` for this column."
        )
    parts = found.groupdict()
    if len(parts["y"]) == 2:
        raise _UnreadableError(
            "short_year",
            f"the year of `{text}` has two digits",
            "State `format:` for this column, as in %d %b %y.",
            setting=True,
        )
    day = _day_of(cell, text, parts, order)
    if parts["h"] is None:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - placed in its zone right here
        zone = cell.time_zone or cell.project_zone
        return Verdict(day.isoformat() if cell.kind == "day" else _utc(midnight, zone))
    return _timed(cell, text, day, parts)


def _timed(cell: Cell, text: str, day: date, parts: dict[str, Any]) -> Verdict:
    """A day with a time of day as the day or the instant that the cell wants."""
    hour = int(parts["h"])
    if parts["half"]:
        hour = hour % 12 + (12 if parts["half"].lower().startswith("p") else 0)
    micro = int((parts["f"] or "0").ljust(6, "0")[:6])
    try:
        local = datetime(day.year, day.month, day.day, hour, int(parts["m"]), int(parts["s"] or 0), micro)  # noqa: DTZ001 - placed in its zone below
    except ValueError:
        raise _UnreadableError(
            "not_a_date", f"`{text}` has no such time of day", "Correct the value in the source."
        ) from None
    zone = parts["zone"]
    if cell.kind == "day":
        if zone is None:
            return Verdict(day.isoformat())
        return Verdict(_with_offset(local, zone).astimezone(ZoneInfo(cell.project_zone)).date().isoformat())
    if zone is not None:
        return Verdict(_with_offset(local, zone).astimezone(UTC).replace(tzinfo=None).isoformat())
    if cell.time_zone is None:
        raise _UnreadableError(
            "time_zone",
            f"`{text}` does not say in which time zone it is",
            "State `time_zone:` for this column, its input or the source.",
            setting=True,
        )
    return Verdict(_utc(local, cell.time_zone))


def _day_of(cell: Cell, text: str, parts: dict[str, str], order: Order | None) -> date:
    year = int(parts["y"])
    if parts.get("name"):
        names = [number for number, month in enumerate(_MONTHS, start=1) if month.startswith(parts["name"].lower())]
        if len(names) != 1:
            raise _UnreadableError(
                "not_a_date", f"`{parts['name']}` is not a month", "Write the date as in 2025-03-01."
            )
        month, day = names[0], int(parts["d"])
    elif parts.get("mo"):
        month, day = int(parts["mo"]), int(parts["d"])
    else:
        first, second = int(parts["a"]), int(parts["b"])
        if order is None and first != second:
            raise _either_way(text, first, second, year, parts["sep"])
        day, month = (second, first) if order == "MDY" else (first, second)
    try:
        return date(year, month, day)
    except ValueError:
        expected = {"DMY": " when read day first", "MDY": " when read month first"}.get(order or "", "")
        raise _UnreadableError(
            "not_a_date",
            f"`{text}` is no day of the calendar{expected}",
            f"Correct it, or state `format:` for {cell.column}.",
        ) from None


def _either_way(text: str, first: int, second: int, year: int, separator: str) -> _UnreadableError:
    readings = [
        f"{date(year, month, day):%d %B %Y}"
        for day, month in ((first, second), (second, first))
        if month <= 12 and day <= 31
    ]
    day_first, month_first = separator.join(("%d", "%m", "%Y")), separator.join(("%m", "%d", "%Y"))
    return _UnreadableError(
        "date_order",
        f"`{text}` can be read as {' or '.join(readings)}",
        f'State `date_format: "{day_first}"` or `date_format: "{month_first}"` for this input.',
        setting=True,
    )


def _with_offset(local: datetime, zone: str) -> datetime:
    if zone in {"Z", "UTC", "GMT"}:
        return local.replace(tzinfo=UTC)
    return datetime.fromisoformat(local.isoformat() + (zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"))


def _utc(local: datetime, zone: str) -> str:
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None).isoformat()


# ------------------------------------------------------------------------------------------------------------ all kinds


def judge(cell: Cell, text: str, order: Order | None) -> Verdict:
    """The value of an odd text, or why it has none."""
    if text.startswith(MARK):
        return _marked(text).verdict
    if cell.kind == "boolean":
        fix = "Understood are true/false, t/f, yes/no, y/n and 1/0; else state `map:`."
        return Verdict(None, "not_a_boolean", f"`{text}` is neither yes nor no", fix)
    if cell.kind != "number" and (cell.format or cell.epoch):
        wanted = f"the format {cell.format}" if cell.format else "a count of time since 1970"
        return Verdict(
            None, "format", f"`{text}` does not fit {wanted}", "Correct the value, or the format of the column."
        )
    try:
        return _number(cell, text) if cell.kind == "number" else _moment(cell, text, order)
    except _UnreadableError as error:
        return error.verdict
    except (InvalidOperation, OverflowError):
        return Verdict(None, "not_a_number", f"`{text}` is not a number", "Correct the value in the source.")


def _marked(text: str) -> _UnreadableError:
    kind, place, shown = text.removeprefix(MARK).split("|", 2)
    if kind == "formula":
        return _UnreadableError(
            "formula_without_value",
            f"the cell {place} holds the formula `{shown}` without a stored result",
            "Open the workbook in a spreadsheet and save it once.",
        )
    if kind == "error":
        return _UnreadableError(
            "cell_error", f"the cell {place} holds the error {shown}", "Correct the formula in the workbook."
        )
    if kind == "scientific":
        return _UnreadableError(
            "scientific_notation",
            f"a spreadsheet changed the id to `{shown}`, so different ids may have become one",
            "Load the export without saving it from a spreadsheet first, or format the column there as text.",
        )
    if kind == "unmapped_warn":
        reason = f"`{shown}` is not in the map of this column; the field was left empty"
        return _UnreadableError("unmapped_value", reason, "Add it to `map:`.", severity="warning")
    return _UnreadableError(
        "unmapped_value", f"`{shown}` is not in the map of this column", "Add it to `map:`, or state `otherwise:`."
    )


def shown(text: str) -> str:
    """A text as messages show it, without a mark."""
    return text.removeprefix(MARK).split("|", 2)[-1] if text.startswith(MARK) else text
