"""Excel workbooks (.xlsx): the values as text, and a look at the sheet's XML for what values alone do not show.

A cell with an error and a formula whose result was never stored both look empty to a reader of values; here they are
marked, so that the row is rejected instead of loading an empty amount.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import python_calamine

from revgauge.sources.problems import RefusedError, refuse
from revgauge.sources.readers.base import (
    BATCH_ROWS,
    MARK,
    MAX_MEMBERS,
    MAX_RATIO,
    RawTable,
    ReadOptions,
    Tally,
    batch,
    header_names,
    repeated_names,
    without_blank_rows,
)
from revgauge.sources.readers.json_records import plain_number

_CELL = re.compile(rb"<c ([^>]*)>(.*?)</c>", re.DOTALL)
_REFERENCE = re.compile(rb'\br="([A-Z]+)(\d+)"')
_FORMULA = re.compile(rb"<f[ >/](?:[^<]*?>)?([^<]*)(?:</f>)?", re.DOTALL)
_VALUE = re.compile(rb"<v>([^<]*)</v>")
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')


def read_workbook(path: Path, name: str, options: ReadOptions) -> RawTable:
    """One sheet of the workbook as text columns. Raises RefusedError when it cannot or must not be read."""
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest() if path.stat().st_size else ""
    _check_kind(path, name)
    _check_archive(path, name, options)
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        title = _sheet(name, book, options)
        rows = book.get_sheet_by_name(title).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, OSError) as error:
        raise _damaged(name) from error
    xml = _sheet_xml(path, name, title)
    header_row = options.header_row or _header_row(name, title, rows, xml)
    if header_row > len(rows):
        raise refuse(
            name,
            "no_header",
            f"there is no row {header_row} in sheet {title}",
            "Correct `header_row:` for this input.",
            sheet=title,
        )
    header = [_text(cell) for cell in rows[header_row - 1]]
    names = header_names(header)
    if problems := repeated_names(name, names, header_row, title):
        raise RefusedError(problems)
    marks = _marks(xml)
    batches = _batches(rows, names, header_row, marks)
    return RawTable(name, names, batches, Tally(), content_hash, sheet=title, serial_days=True)


def _damaged(name: str) -> RefusedError:
    return refuse(
        name,
        "damaged",
        "the workbook is damaged or cut short",
        "Copy or export it again, or save it anew in the spreadsheet.",
    )


def _check_kind(path: Path, name: str) -> None:
    with path.open("rb") as handle:
        head = handle.read(512)
    if not head:
        raise refuse(name, "empty_file", "the file has no bytes at all", "Export it again; the export probably failed.")
    if head.startswith(b"PK"):
        return
    shown = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if shown.startswith(b"<"):
        raise refuse(
            name,
            "not_a_workbook",
            "this is a web page (HTML) under the name of a workbook",
            "Export as CSV or XLSX, or open it in a spreadsheet and save it as XLSX.",
        )
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise refuse(
            name,
            "old_workbook",
            "this is a workbook in the old .xls format, or one with a password",
            "Open it in a spreadsheet and save it as XLSX without a password.",
        )
    raise refuse(
        name, "not_a_workbook", "this is not a workbook", "Export as XLSX or CSV, or give the file its right name."
    )


def _check_archive(path: Path, name: str, options: ReadOptions) -> None:
    """Look at the directory of the archive before anything of it is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(name) from error
    unpacked = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if len(members) > MAX_MEMBERS:
        raise refuse(
            name,
            "unsafe_archive",
            f"the workbook has {len(members)} parts, more than {MAX_MEMBERS}",
            "It was not opened. Save it anew in a spreadsheet.",
            unsafe=True,
        )
    if unpacked > options.max_unpacked or (unpacked > (10 << 20) and unpacked > MAX_RATIO * packed):
        raise refuse(
            name,
            "unsafe_archive",
            f"the workbook would unpack to {unpacked >> 20} MB, {unpacked // packed} times its size; the limits are "
            f"{options.max_unpacked >> 20} MB and {MAX_RATIO} times",
            "It was not opened. If it is really yours, export the sheet as CSV, or raise `max_unpacked_mb` for "
            "this input.",
            unsafe=True,
        )
    if any(member.flag_bits & 1 for member in members):
        raise refuse(name, "password", "the workbook has a password", "Save it without a password.")


def _sheet(name: str, book: Any, options: ReadOptions) -> str:
    titles: list[str] = book.sheet_names
    listed = ", ".join(f"`{title}`" for title in titles)
    if options.sheet is not None:
        if options.sheet in titles:
            return options.sheet
        raise refuse(
            name, "no_such_sheet", f"there is no sheet `{options.sheet}`", f"The workbook has these sheets: {listed}."
        )
    filled = [title for title in titles if book.get_sheet_by_name(title).height > 0]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise refuse(name, "empty_file", "no sheet of the workbook holds anything", "Export it again.")
    raise refuse(
        name,
        "several_sheets",
        f"the workbook has several sheets with contents: {listed}",
        "Say which one holds the data with `sheet:` for this input.",
        sheet=filled[0],
    )


def _sheet_xml(path: Path, name: str, title: str) -> bytes:
    """The XML of the sheet of that title, found by the workbook's own list."""
    try:
        with zipfile.ZipFile(path) as archive:
            book = _parse(archive.read("xl/workbook.xml"), name)
            links = _parse(archive.read("xl/_rels/workbook.xml.rels"), name)
            targets = {link.get("Id"): link.get("Target", "") for link in links}
            for sheet in book.iter("{http://schemas.openxmlformats.org/spreadsheetml/2006/main}sheet"):
                if sheet.get("name") == title:
                    key = sheet.get("{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id")
                    target = targets.get(key, "")
                    inside = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
                    return archive.read(inside)
    except (KeyError, zipfile.BadZipFile, ET.ParseError, OSError) as error:
        raise _damaged(name) from error
    raise _damaged(name)


def _parse(xml: bytes, name: str) -> ET.Element:
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise refuse(
            name,
            "unsafe_xml",
            "the workbook declares its own XML entities",
            "It was not read. Save it anew in a spreadsheet.",
            unsafe=True,
        )
    return ET.fromstring(xml)  # noqa: S314 - entities were refused above, sizes before


def _header_row(name: str, title: str, rows: list[list[Any]], xml: bytes) -> int:
    first = next((number for number, row in enumerate(rows, start=1) if any(_text(cell) for cell in row)), 1)
    merged = [found for found in _MERGED.findall(xml) if int(found[1]) <= first <= int(found[3])]
    if merged:
        ranges = [f"{a.decode()}{b.decode()}:{c.decode()}{d.decode()}" for a, b, c, d in sorted(merged)]
        raise refuse(
            name,
            "merged_header",
            f"row {first} has merged cells ({', '.join(ranges)}), so it looks like titles above the header",
            f"Give the row that names the columns, for example `header_row: {first + 1}` for this input.",
            row=first,
            value=ranges[0],
            sheet=title,
        )
    return first


def _marks(xml: bytes) -> dict[tuple[int, int], str]:
    """Cells that hold an error or a formula without a stored result, by row and column (from 1)."""
    if b"<f" not in xml and b't="e"' not in xml:
        return {}
    marks: dict[tuple[int, int], str] = {}
    for attributes, inside in _CELL.findall(xml):
        place = _REFERENCE.search(attributes)
        if place is None:
            continue
        value = _VALUE.search(inside)
        formula = _FORMULA.search(inside)
        cell = (place[1] + place[2]).decode()
        key = (int(place[2]), _column_number(place[1].decode()))
        if b't="e"' in attributes:
            shown = value[1].decode() if value else "#ERROR"
            marks[key] = f"{MARK}error|{cell}|{shown}"
        elif (
            formula is not None
            and (value is None or not value[1])
            and b"<is>" not in inside
            and b't="str"' not in attributes
        ):
            marks[key] = f"{MARK}formula|{cell}|={formula[1].decode()}"
    return marks


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _batches(
    rows: list[list[Any]], names: list[str], header_row: int, marks: dict[tuple[int, int], str]
) -> Iterator[pa.RecordBatch]:
    for start in range(header_row, len(rows), BATCH_ROWS):
        part = rows[start : start + BATCH_ROWS]
        numbers = list(range(start + 1, start + 1 + len(part)))
        columns: list[list[str | None]] = [
            [
                marks.get((number, position + 1)) or (_text(row[position]) if position < len(row) else "")
                for number, row in zip(numbers, part, strict=True)
            ]
            for position in range(len(names))
        ]
        yield without_blank_rows(batch(names, numbers, columns))


def _text(cell: Any) -> str:
    """A cell as text: numbers by the fifteen digits that a spreadsheet keeps, dates as ISO."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return plain_number(format(Decimal(format(cell, ".15g")), "f"))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time(0) else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
