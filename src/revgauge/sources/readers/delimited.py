"""CSV, TSV and their relatives, packed or not: text columns, streamed, with the file's own row numbers.

A row counts as a spreadsheet counts it: line breaks inside quotation marks do not start a new one, blank lines do.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from revgauge.sources.problems import Problem, RefusedError, refuse, shortened
from revgauge.sources.readers.base import (
    ROW,
    RawTable,
    ReadOptions,
    Tally,
    header_names,
    repeated_names,
    without_blank_rows,
)
from revgauge.sources.readers.sniff import TextFile, examine, find_separator

_FOOTER = re.compile(
    r"(grand |sub)?totals?\b|copyright\b|confidential|generated (by|on|at)\b|report (generated|run)|as of\b"
    r"|\d+ (rows|records)",
    re.IGNORECASE,
)


def read_delimited(path: Path, name: str, options: ReadOptions) -> RawTable:
    """The file as text columns. Raises RefusedError when no row of it can be used."""
    file = examine(path, name, options)
    header_row = options.header_row or 1
    separator = find_separator(file, header_row - 1, options)
    header, lines = _header(file, separator, header_row)
    names = header_names(header)
    if file.odd_quotes:
        _check_quotes(file, separator)
    tally = Tally(problems=list(file.notices))
    if problems := repeated_names(name, names, header_row):
        raise RefusedError(problems)
    batches = _batches(file, separator, names, len(header), header_row, lines, tally)
    return RawTable(name, names, batches, tally, file.content_hash)


def _header(file: TextFile, separator: str, header_row: int) -> tuple[list[str], int]:
    """The cells of the header, and how many lines of the file stand before the data."""
    with file.text() as text:
        reader = csv.reader(text, delimiter=separator)
        cells: list[str] = []
        for number, row in enumerate(reader, start=1):
            if number == header_row:
                cells = row
                break
        lines = reader.line_num
    if not any(cell.strip() for cell in cells):
        raise refuse(
            file.name,
            "no_header",
            f"row {header_row} should hold the names of the columns and is empty",
            "Give the row of the header with `header_row:` for this input.",
            row=header_row,
        )
    return cells, lines


def _check_quotes(file: TextFile, separator: str) -> None:
    """Refuse a file in which a quotation mark is opened and never closed: it would swallow all rows below."""
    with file.text() as text:
        reader = csv.reader(text, delimiter=separator, strict=True)
        number = 0
        try:
            for _ in reader:
                number += 1
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise refuse(
                    file.name,
                    "open_quote",
                    "a quotation mark is opened and never closed, so everything below would be one value",
                    'Close it, or write a quotation mark inside a value twice ("").',
                    row=number + 1,
                ) from error


def _batches(
    file: TextFile, separator: str, names: list[str], width: int, header_row: int, lines: int, tally: Tally
) -> Iterator[pa.RecordBatch]:
    invalid: list[tuple[int, int, str]] = []

    def keep_invalid(row: pyarrow.csv.InvalidRow) -> str:
        invalid.append((row.number - lines + header_row, row.actual_columns, row.text))
        return "skip"

    columns = [f"c{position}" for position in range(width)]
    read = pyarrow.csv.ReadOptions(
        use_threads=False,  # only then are the numbers of odd rows known
        column_names=columns,
        skip_rows=lines,
        block_size=16 << 20,
        encoding="utf8" if file.encoding in {"utf-8", "utf-8-sig"} else file.encoding,
    )
    parse = pyarrow.csv.ParseOptions(
        delimiter=separator, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=keep_invalid
    )
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        strings_can_be_null=False,
        include_columns=columns[: len(names)],
    )
    following = header_row + 1
    seen = 0
    last = header_row
    with file.open() as stream:
        try:
            reader = pyarrow.csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header and no row: loaded and empty
                return
            raise _unreadable(file, error) from error
        try:
            for chunk in reader:
                numbers: list[int] = []
                while len(numbers) < chunk.num_rows:
                    if seen < len(invalid) and invalid[seen][0] == following:
                        seen += 1
                    else:
                        numbers.append(following)
                    following += 1
                    if seen == len(invalid):  # no odd row ahead in this block: the rest is a plain run
                        rest = chunk.num_rows - len(numbers)
                        numbers.extend(range(following, following + rest))
                        following += rest
                arrays = [pa.array(numbers, pa.int64()), *chunk.columns]
                batch = without_blank_rows(pa.RecordBatch.from_arrays(arrays, names=[ROW, *names]))
                last = batch.column(ROW)[-1].as_py() if batch.num_rows else last
                yield batch.filter(_whole_rows(batch, file, tally)) if file.has_nul else batch
        except pa.ArrowInvalid as error:
            raise _unreadable(file, error) from error
    if invalid and last == header_row and width > 1:
        found = max(row[1] for row in invalid)
        raise refuse(
            file.name,
            "header_row",
            f"row {header_row} has {width} fields and no row below has as many (row {invalid[0][0]} has {found})",
            "If the column names stand in another row, give it with `header_row:` for this input.",
            row=header_row,
        )
    _judge_odd_rows(file, invalid, width, last, tally)


def _whole_rows(batch: pa.RecordBatch, file: TextFile, tally: Tally) -> pa.Array:
    """Which rows to keep: those without a zero byte. The others are told of."""
    keep = [True] * batch.num_rows
    for name in batch.schema.names[1:]:
        for position, value in enumerate(batch.column(name).to_pylist()):
            if "\0" in value and keep[position]:
                keep[position] = False
                tally.rejected += 1
                tally.problems.append(
                    Problem(
                        file.name,
                        "zero_byte",
                        "the value holds a zero byte, the mark of a broken export",
                        "Export the file again, as UTF-8.",
                        row=batch.column(ROW)[position].as_py(),
                        column=name,
                        value=value.replace("\0", "\\0"),
                    )
                )
    return pa.array(keep)


def _unreadable(file: TextFile, error: pa.ArrowInvalid) -> Exception:
    return refuse(
        file.name,
        "unreadable",
        f"the file cannot be cut into rows ({shortened(str(error), 160)})",
        "Check the separator and the quotation marks, or give `separator:` for this input.",
    )


def _judge_odd_rows(file: TextFile, invalid: list[tuple[int, int, str]], width: int, last: int, tally: Tally) -> None:
    """Rows with another number of fields: closing lines of a report are skipped, the others rejected."""
    for number, found, text in invalid:
        if found == 1 and width > 2 and number > last and _FOOTER.match(text.strip().strip('"')):
            tally.skipped += 1
            tally.problems.append(
                Problem(
                    file.name,
                    "closing_line",
                    "a closing line of a report, not a record; it was left out",
                    "Nothing to do, or export without totals and footers.",
                    row=number,
                    value=text.strip().strip('"'),
                    severity="notice",
                )
            )
            continue
        tally.rejected += 1
        hint = (
            'A value that holds the separator must stand in double quotation marks (").'
            if found > width
            else "The line is cut short or broken; correct it or export again."
        )
        tally.problems.append(
            Problem(
                file.name,
                "field_count",
                f"the row has {found} fields where the header has {width}",
                hint,
                row=number,
                value=text.strip(),
            )
        )
