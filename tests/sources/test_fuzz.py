"""Whatever the bytes of a file are, a load ends in rows and reasons, never in an error of ours."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sources.helpers import load_now, make_project, same_names

AWKWARD = st.sampled_from(
    [
        "",
        '"',
        '""',
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "\ufeff",
        "é",
        "1,5",
        "2.000",
        "{",
        "[",
        "]",
        ":",
        "'",
        "%",
        "E+14",
        "\\",
    ]
)
TEXT = st.lists(AWKWARD | st.text(max_size=4), max_size=30).map("".join)
HEADERS = st.sampled_from(
    ["account_id,name,employee_count,created_at\n", "", "account_id;name\n", '"account_id","created_at"\n']
)
QUIET = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def survives(name: str, content: bytes, mapping: str | None = None) -> None:
    """Load a project with that file; every row read is accounted for, or the source is refused with a reason."""
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder), mapping or same_names("accounts", name), {name: content})
        report = load_now(project)
        assert report.ok or (report.problems and all(problem.reason for problem in report.problems))
        for entity in report.entities:
            assert entity.rows_loaded + entity.rows_rejected + entity.rows_skipped == entity.rows_read


@pytest.mark.slow
@QUIET
@given(header=HEADERS, body=TEXT)
def test_any_text_as_csv(header: str, body: str) -> None:
    """Quotation marks, separators, zero bytes and half lines of every kind (P13)."""
    survives("a.csv", (header + body).encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@QUIET
@given(content=st.binary(max_size=80))
def test_any_bytes_as_csv_json_and_workbook(content: bytes) -> None:
    """Bytes that are no text at all, under the names of files that are read."""
    for name in ("a.csv", "a.json", "a.xlsx", "a.csv.gz"):
        survives(name, content)


@pytest.mark.slow
@QUIET
@given(body=TEXT)
def test_any_text_as_json(body: str) -> None:
    """Broken lists and lines."""
    survives("a.json", ('[{"account_id": "1"},' + body).encode("utf-8", "surrogatepass"))
    survives("a.jsonl", ('{"account_id": "1"}\n' + body).encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@QUIET
@given(text=TEXT)
def test_any_text_in_a_mapping(text: str) -> None:
    """Anything in an expression, a name of a column and the file itself."""
    quoted = '"' + "".join(f"\\u{ord(letter):04x}" for letter in text if ord(letter) < 0xD800) + '"'
    mapping = (
        "source: crm\nfiles: {a: a.csv}\nentities:\n  accounts:\n    from: a\n"
        f"    where: {quoted}\n"
        f"    fields:\n      account_id: id\n      name: {{sql: {quoted}}}\n      segment: {{value: {quoted}}}\n"
    )
    survives("a.csv", b"id,name\n1,x\n", mapping)
    survives("a.csv", b"id,name\n1,x\n", "source: crm\n" + text)
