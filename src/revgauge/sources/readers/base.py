"""What every reader hands on: columns of text with the file's own row numbers, and what it had to leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from revgauge.sources.problems import Problem

ROW = "_row"
"""Name of the column with the row number, before the columns of the file."""

BATCH_ROWS = 50_000

MARK = "\ue000"
"""Begins the text of a cell that has no value to load; what follows is `kind|cell|shown`. No keyboard types it."""

MAX_UNPACKED = 200 * 1024 * 1024
MAX_RATIO = 100
MAX_MEMBERS = 1_000


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a mapping says of a file. None: find out, and ask where the file can be read two ways."""

    sheet: str | None = None
    header_row: int | None = None
    encoding: str | None = None
    separator: str | None = None
    records: str | None = None
    """Key under which a JSON file keeps its list of records."""
    each: str | None = None
    """A list inside each record that becomes one row per item; its keys are then named `item.…`."""
    max_unpacked: int = MAX_UNPACKED


@dataclass(slots=True)
class Tally:
    """What a reader left out; filled while the batches are consumed."""

    rejected: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class RawTable:
    """One file or sheet as text. An empty text is an empty cell; a null is a key that a record does not have."""

    file: str
    columns: list[str]
    batches: Iterator[pa.RecordBatch]
    """Each batch has `_row` and then the columns, all of type text."""
    tally: Tally
    content_hash: str
    sheet: str | None = None
    serial_days: bool = False
    """Numbers in day columns count days, as spreadsheets do."""
    typed_numbers: bool = False
    """Numbers were numbers in the file, so a point can only be a decimal point."""


def batch(columns: list[str], rows: list[int], values: list[list[str | None]]) -> pa.RecordBatch:
    """A batch from one list of values for each column."""
    arrays = [pa.array(rows, pa.int64()), *(pa.array(column, pa.string()) for column in values)]
    return pa.record_batch(arrays, names=[ROW, *columns])


def schema(columns: list[str]) -> pa.Schema:
    """The schema of a reader's batches."""
    return pa.schema([(ROW, pa.int64()), *((name, pa.string()) for name in columns)])


def without_blank_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without rows in which every cell is empty: they are no records, only space."""
    blank = None
    for column in batch.columns[1:]:
        empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), fill_value=True)
        blank = empty if blank is None else pc.and_(blank, empty)
        if not pc.any(blank).as_py():
            return batch
    return batch if blank is None else batch.filter(pc.invert(blank))


def header_names(cells: list[str]) -> list[str]:
    """Header cells as column names: trimmed, inner white space made one space, empty ones named by their place."""
    names = [" ".join(cell.split()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return [name or f"(column {position})" for position, name in enumerate(names, start=1)]


def repeated_names(file: str, names: list[str], row: int, sheet: str | None = None) -> list[Problem]:
    """A problem for each name that stands in the header more than once."""
    problems = []
    for name in dict.fromkeys(names):
        positions = [position for position, other in enumerate(names, start=1) if other == name]
        if len(positions) > 1:
            places = " and ".join(map(str, positions))
            problems.append(
                Problem(
                    file,
                    "repeated_column",
                    f"the header has the column `{name}` {len(positions)} times, as columns {places}",
                    "Rename or remove one of them in the file, or export it again without the repeat.",
                    row=row,
                    column=name,
                    sheet=sheet,
                )
            )
    return problems
