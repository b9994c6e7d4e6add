"""JSON and JSON lines: records become rows of text, nested objects become columns named `outer.inner`.

Numbers keep the digits that stand in the file; they never pass through a float.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from revgauge.sources.problems import Problem, refuse, shortened
from revgauge.sources.readers.base import BATCH_ROWS, ROW, RawTable, ReadOptions, Tally
from revgauge.sources.readers.sniff import TextFile, examine

_DEPTH = 3
_WHOLE_FILE = 64 << 20
_CHUNK = 1 << 20

Record = dict[str, Any]


def plain_number(literal: str) -> str:
    """The digits of a number that was typed as a number.

    With exactly three places a zero is added: a text `2.000` may be two thousand, this one cannot be.
    """
    mantissa = literal.lower().partition("e")[0]
    if mantissa != literal:
        return literal
    return literal + "0" if len(literal) - literal.find(".") == 4 and "." in literal else literal


_DECODER = json.JSONDecoder(parse_float=plain_number, parse_int=str, parse_constant=str)


def read_json(path: Path, name: str, options: ReadOptions) -> RawTable:
    """The records of the file as text columns. Raises RefusedError when the file is no list of records."""
    file = examine(path, name, options)
    tally = Tally(problems=list(file.notices))
    columns: list[str] = []
    return RawTable(name, columns, _batches(file, options, columns, tally), tally, file.content_hash)


def _batches(file: TextFile, options: ReadOptions, columns: list[str], tally: Tally) -> Iterator[pa.RecordBatch]:
    """Batches whose columns grow as records bring new keys; `columns` always names all seen so far."""
    rows: list[int] = []
    values: dict[str, list[str | None]] = {name: [] for name in columns}
    for number, record in _records(file, options, tally):
        if not isinstance(record, dict):
            tally.rejected += 1
            tally.problems.append(
                Problem(
                    file.name,
                    "not_a_record",
                    f"an object with keys and values should stand here, found {_kind(record)}",
                    "Correct the record or export again.",
                    row=number,
                    value=shortened(json.dumps(record)),
                )
            )
            continue
        for flat in _exploded(record, options.each):
            for key in flat:
                if key not in values:
                    values[key] = [None] * len(rows)
                    columns.append(key)
            rows.append(number)
            for key, column in values.items():
                column.append(flat.get(key))
        if len(rows) >= BATCH_ROWS:
            yield _batch(rows, values)
            rows, values = [], {name: [] for name in columns}
    if rows:
        yield _batch(rows, values)


def _batch(rows: list[int], values: dict[str, list[str | None]]) -> pa.RecordBatch:
    arrays = [pa.array(rows, pa.int64()), *(pa.array(column, pa.string()) for column in values.values())]
    return pa.RecordBatch.from_arrays(arrays, names=[ROW, *values])


def _records(file: TextFile, options: ReadOptions, tally: Tally) -> Iterator[tuple[int, Any]]:
    """The records of the file with their numbers, whichever way it holds them."""
    with file.text() as text:
        head = text.read(_CHUNK).lstrip("\ufeff")
        start = head.lstrip()
        if not start:
            raise refuse(file.name, "empty_file", "the file holds nothing but white space", "Export it again.")
        if start[0] == "[":
            yield from _array(file, text, head)
            return
        if start[0] != "{":
            raise refuse(
                file.name,
                "not_json",
                f"the file should begin with `[` or `{{`, found `{shortened(start, 20)}`",
                "Check that this is a JSON export and not a page or a message about an error.",
                row=1,
            )
        if not _is_lines(file, start):
            yield from _inside_object(file, text, head, options)
            return
    with file.text() as text:
        yield from _lines(file, text, tally)


def _is_lines(file: TextFile, start: str) -> bool:
    if file.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return True
    try:
        _DECODER.decode(start.split("\n", 1)[0])
    except json.JSONDecodeError:
        return False
    return bool(start.split("\n", 1)[1:]) and start.split("\n", 1)[1].lstrip().startswith("{")


def _lines(file: TextFile, text: io.TextIOWrapper, tally: Tally) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text, start=1):
        content = line.strip().lstrip("\ufeff")
        if not content:
            continue
        try:
            yield number, _DECODER.decode(content)
        except json.JSONDecodeError as error:
            tally.rejected += 1
            tally.problems.append(
                Problem(
                    file.name,
                    "broken_line",
                    f"the line is not whole JSON: {error.msg} at character {error.pos + 1}",
                    "Correct the line or export again.",
                    row=number,
                    value=shortened(content),
                )
            )


def _array(file: TextFile, text: io.TextIOWrapper, head: str) -> Iterator[tuple[int, Any]]:
    """The members of one big list, read piece by piece so that memory does not grow with the file."""
    buffer, position = head, head.index("[") + 1
    lines_before, number, ended = 0, 0, False
    while True:
        while position < len(buffer) and buffer[position] in " \t\r\n,":
            position += 1
        if position >= len(buffer) - (_CHUNK // 4) and not ended:
            more = text.read(_CHUNK)
            ended = not more
            lines_before += buffer.count("\n", 0, position)
            buffer, position = buffer[position:] + more, 0
            continue
        if position < len(buffer) and buffer[position] == "]":
            return
        try:
            record, position = _DECODER.raw_decode(buffer, position)
        except json.JSONDecodeError as error:
            more = "" if ended or len(buffer) > _WHOLE_FILE else text.read(_CHUNK)
            if more:
                buffer += more
                continue
            line = lines_before + buffer.count("\n", 0, error.pos) + 1
            place = error.pos - buffer.rfind("\n", 0, error.pos)
            raise refuse(
                file.name,
                "cut_short",
                f"the JSON breaks off in line {line} at character {place}, in record {number + 1} ({error.msg})",
                "Export it again; the file is damaged or cut short, so what stands before is not all.",
                row=number + 1,
            ) from error
        number += 1
        yield number, record


def _inside_object(
    file: TextFile, text: io.TextIOWrapper, head: str, options: ReadOptions
) -> Iterator[tuple[int, Any]]:
    content = head + text.read(_WHOLE_FILE)
    if text.read(1):
        raise refuse(
            file.name,
            "too_large",
            f"one JSON object of more than {_WHOLE_FILE >> 20} MB",
            "Export as JSON lines (one record per line) or as a plain list.",
        )
    try:
        whole = _DECODER.decode(content)
    except json.JSONDecodeError as error:
        raise refuse(
            file.name,
            "cut_short",
            f"the JSON is broken in line {error.lineno} at character {error.colno} ({error.msg})",
            "Export it again; the file is damaged or cut short.",
            row=error.lineno,
        ) from error
    yield from enumerate(_list_of(file, whole, options), start=1)


def _list_of(file: TextFile, whole: Record, options: ReadOptions) -> list[Any]:
    if options.records:
        found: Any = whole
        for key in options.records.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, list):
            raise refuse(
                file.name,
                "no_records",
                f"there is no list under `{options.records}`",
                f"The file has these keys: {', '.join(whole)}. Correct `records:` for this input.",
            )
        return found
    lists = [key for key, value in whole.items() if isinstance(value, list) and all(isinstance(v, dict) for v in value)]
    if whole.get("object") == "list" and "data" in lists:
        return list(whole["data"])
    if len(lists) > 1:
        raise refuse(
            file.name,
            "several_lists",
            f"the file holds several lists: {', '.join(lists)}",
            "Say which one has the records with `records:` for this input.",
        )
    return list(whole[lists[0]]) if lists else [whole]


def _exploded(record: Record, each: str | None) -> Iterator[dict[str, str | None]]:
    flat: dict[str, str | None] = {}
    _flatten(record, "", flat, _DEPTH)
    if each is None:
        yield flat
        return
    items: Any = record
    for key in each.split("."):
        items = items.get(key) if isinstance(items, dict) else None
    for item in items if isinstance(items, list) and items else [None]:
        row = dict(flat)
        row["item"] = None if item is None else _text(item)
        if isinstance(item, dict):
            _flatten(item, "item.", row, _DEPTH)
        yield row


def _flatten(record: Record, prefix: str, into: dict[str, str | None], depth: int) -> None:
    for key, value in record.items():
        name = prefix + " ".join(str(key).split())
        into[name] = _text(value)
        if isinstance(value, dict) and depth > 0:
            _flatten(value, name + ".", into, depth - 1)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text or number", bool: "true or false"}
    return names.get(type(value), "nothing")
