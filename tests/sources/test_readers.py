"""Readers: what the bytes of a file can hold beyond the plain case."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from revgauge.sources.inputs import read_one
from revgauge.sources.problems import RefusedError
from revgauge.sources.readers.base import ReadOptions


def rows_of(path: Path, **options: Any) -> list[dict[str, Any]]:
    """All rows of a file as dictionaries, with their numbers."""
    table = read_one(path, path.name, ReadOptions(**options))
    return [row for batch in table.batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"id,name\n1,x\n"),
        ("a.tsv", b"id\tname\n1\tx\n"),
        ("a.csv", b"id;name\r\n1;x\r\n"),
        ("a.txt", b"id|name\n1|x"),
        ("a.csv", b"\xef\xbb\xbfid,name\n1,x\n"),
        ("a.csv", "id,name\n1,x\n".encode("utf-16")),
        ("a.csv", "id,name\n1,x\n".encode("utf-16-le")),
        ("a.csv.gz", gzip.compress(b"id,name\n1,x\n", mtime=0)),
        ("a.csv", b'"id","name"\n"1","x"\n\n,\n'),
        ("a.json", b'[{"id": 1, "name": "x"}]'),
        ("a.json", b'{"data": [{"id": 1, "name": "x"}], "has_more": false}'),
        ("a.jsonl", b'{"id": 1, "name": "x"}\n\n'),
        ("a.ndjson.gz", gzip.compress(b'{"id": 1, "name": "x"}', mtime=0)),
    ],
)
def test_one_row_in_many_wrappings(tmp_path: Path, name: str, content: bytes) -> None:
    """Separator, encoding, packing and kind of file are found out."""
    path = tmp_path / name
    path.write_bytes(content)
    assert [(row["id"], row["name"]) for row in rows_of(path)] == [("1", "x")]


def test_row_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    """Blank lines and line breaks inside quotation marks count as a spreadsheet counts them."""
    path = tmp_path / "a.csv"
    path.write_text('report of today\nid,name\n1,"a\nb"\n\n2,c\nbroken\n3,d\n', encoding="utf-8")
    assert [(row["_row"], row["id"]) for row in rows_of(path, header_row=2)] == [(3, "1"), (5, "2"), (7, "3")]


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.csv", b"", "empty_file"),
        ("a.csv", b'id,name\n1,"open\n2,x\n', "open_quote"),
        ("a.csv", b"\n\n", "no_header"),
        ("a.csv", b"id,name\n1,\x81\xe9\n", "unknown_encoding"),
        ("a.csv.gz", gzip.compress(b"id,name\n" * 1000, mtime=0)[:-9], "damaged"),
        ("a.json", b"<html>", "not_json"),
        ("a.json", b'{"a": [{"x": 1}], "b": [{"y": 1}]}', "several_lists"),
        ("a.xlsx", b"PK\x03\x04 nothing", "damaged"),
        ("a.docx", b"x", "unknown_kind"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    """A file that is damaged, unsafe or something else is refused whole, never read in part."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        rows_of(path)
    assert [problem.rule for problem in caught.value.problems] == [rule]
    assert all(problem.fix for problem in caught.value.problems)


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A packed text that grows past the limit and a hundred times its size is refused while it is unpacked (P15)."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"id,name\n" * 500_000))
    with pytest.raises(RefusedError) as caught:
        rows_of(path, max_unpacked=1 << 20)
    assert caught.value.unsafe
    assert rows_of(path, max_unpacked=1 << 23)[0]["_row"] == 2


def test_a_workbook_with_its_own_entities_is_refused(tmp_path: Path) -> None:
    """XML that declares entities is not parsed (P15)."""
    memory = io.BytesIO()
    with (
        zipfile.ZipFile(Path(__file__).parent / "bad_input" / "x15_blank_rows.xlsx") as good,
        zipfile.ZipFile(memory, "w") as bad,
    ):
        for member in good.infolist():
            content = good.read(member)
            if member.filename == "xl/workbook.xml":
                content = content.replace(b"<workbook", b'<!DOCTYPE w [<!ENTITY a "aaaa">]><workbook', 1)
            bad.writestr(member.filename, content)
    path = tmp_path / "a.xlsx"
    path.write_bytes(memory.getvalue())
    with pytest.raises(RefusedError) as caught:
        rows_of(path)
    assert caught.value.problems[0].rule in {"unsafe_xml", "damaged"}


def test_big_json_lists_are_read_piece_by_piece(tmp_path: Path) -> None:
    """A list longer than the reader's piece of a megabyte keeps every record, its number and its exact digits."""
    path = tmp_path / "a.json"
    records = ",\n".join(
        f'{{"id": {number}, "amount": {number}.125, "note": "{"x" * 90}"}}' for number in range(20_000)
    )
    path.write_text(f"[{records}]", encoding="utf-8")
    rows = rows_of(path)
    assert len(rows) == 20_000
    assert (rows[-1]["_row"], rows[-1]["id"], rows[-1]["amount"]) == (20_000, "19999", "19999.1250")


def test_nested_records_become_columns_and_lists_become_rows(tmp_path: Path) -> None:
    """An object inside a record becomes `outer.inner`; with `each` a list inside becomes one row per item."""
    path = tmp_path / "a.json"
    path.write_text(
        '[{"id": 1, "who": {"name": "x"}, "items": {"data": [{"n": 1}, {"n": 2}]}}, {"id": 2}]', encoding="utf-8"
    )
    rows = rows_of(path, each="items.data")
    assert [(row["_row"], row["id"], row["who.name"], row["item.n"]) for row in rows] == [
        (1, "1", "x", "1"),
        (1, "1", "x", "2"),
        (2, "2", None, None),
    ]
