"""The corpus of broken and awkward files: what loads, what is told, and what must never happen.

Expected answers are those of `bad_input/manifest.json`. Its faults in YAML files are repeated here in the mapping
language; the faults that concern metrics and targets (unknown field, one name twice, thresholds reversed) are tested
where those are read.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.sources.helpers import HERE, load_now, make_project, query, same_names

from revgauge.sources.erasure import register_erasure
from revgauge.sources.outcome import LoadReport

CORPUS = HERE / "bad_input"
MANIFEST = {
    entry["file"]: entry for entry in json.loads((CORPUS / "manifest.json").read_text(encoding="utf-8"))["files"]
}
DATA_FILES = sorted(name for name, entry in MANIFEST.items() if entry["format"] != "yml")

MUST_LOAD = {
    "c07_windows_1252.csv": 3,
    "c09_semicolon_decimal_comma.csv": 3,
    "c15_ambiguous_dates.csv": 0,
    "c20_conflicting_key.csv": 1,
    "c23_currency_missing.csv": 3,
    "c31_nul_bytes.csv": 2,
    "c35_mixed_timestamps.csv": 2,
    "c37_implausible_values.csv": 4,  # an amount of 10^15 has more digits than the store keeps: rejected, not cut
    "c41_credit_note_signs.csv": 4,
    "c42_bad_exchange_rates.csv": 4,
    "x01_data_on_second_sheet.xlsx": 0,
    "x02_two_row_header.xlsx": 0,
    "x07_numbers_as_text.xlsx": 5,
    "x10_html_named_xls.xls": 0,
}
"""Where the manifest allows two answers, the one that is given; and the one line that is answered otherwise."""

Loading = Callable[..., tuple[Path, LoadReport]]
"""Takes a file of the corpus and options of its mapping; gives the project and what the load reported."""

STRIPE_INVOICES = """\
source: crm
files: {data: j08_zero_decimal_currency.json}
entities:
  invoices:
    fields:
      invoice_id: id
      account_id: customer
      issued_on: {column: created, unit: epoch_seconds}
      amount: {column: total, unit: minor}
      currency: currency
"""


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Loading:
    """Loads a file of the corpus; the same file with the same options once for all tests, which only read."""
    return lru_cache(lambda name, options="": loaded_from(tmp_path_factory.mktemp("corpus"), name, options))


def loaded_from(tmp_path: Path, name: str, options: str = "") -> tuple[Path, LoadReport]:
    """A project with that file of the corpus, loaded; no file keeps the processor busy for five seconds."""
    entity = MANIFEST[name]["entity"]
    mapping = STRIPE_INVOICES if name.startswith("j08") else same_names(entity, name, options)
    project = make_project(tmp_path, mapping, {name: CORPUS / name})
    if name.startswith("c45"):
        register_erasure(project, "contacts", "CON-7")
    started = time.process_time()
    report = load_now(project)
    assert time.process_time() - started < 5
    return project, report


@pytest.mark.parametrize("name", DATA_FILES)
def test_what_loads_and_what_is_told(loaded_once: Loading, name: str) -> None:
    """As many rows load as the manifest says, and every place that it names is told with row, column and value."""
    entry = MANIFEST[name]
    project, report = loaded_once(name)
    tables = [row[0] for row in query(project, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'")]
    count = query(project, f"SELECT count(*) FROM {entry['entity']}")[0][0] if entry["entity"] in tables else 0
    expected = MUST_LOAD.get(name, entry["rows_that_must_load"])
    assert count == expected
    assert report.ok == (entry["expect"] not in {"reject_file", "refuse_unsafe"} and name not in NEED_A_SETTING)
    told = [(p.row, p.column, str(p), p.severity) for p in report.problems]
    for wanted in entry["error_names"]:
        matching = [
            text
            for row, column, text, _ in told
            if wanted.get("row") in {row, None} and wanted.get("column") in {column, None}
        ]
        assert matching, f"nothing is told of {wanted} in {told}"
        if wanted.get("value"):
            assert any(str(wanted["value"]) in text for text in matching)
    if entry["expect"] == "accept":
        assert not told
    elif entry["expect"] == "accept_with_notice" and name != "c37_implausible_values.csv" and expected == count:
        assert not [text for *_, text, severity in told if severity == "error"] or name.startswith("x07")
    lost = query(project, "SELECT * FROM file_loads WHERE rows_loaded + rows_rejected + rows_skipped <> rows_read")
    assert lost == []


NEED_A_SETTING = {"c15_ambiguous_dates.csv", "x01_data_on_second_sheet.xlsx", "x02_two_row_header.xlsx"}


@pytest.mark.parametrize(
    ("name", "options", "sql", "expected"),
    [
        ("c06_utf8_bom.csv", "", "SELECT name FROM accounts ORDER BY 1", ["Müller GmbH", "Søren A/S"]),
        ("c07_windows_1252.csv", "", "SELECT name FROM accounts WHERE account_id = 'ACC-2'", ["Café Zürich €"]),
        ("c07_windows_1252.csv", ", encoding: windows-1252", "SELECT count(*) FROM accounts", [3]),
        (
            "c09_semicolon_decimal_comma.csv",
            ', decimal: ","',
            "SELECT CAST(sum(amount) AS VARCHAR) FROM opportunities",
            ["4214.500000"],
        ),
        (
            "c14_newlines_in_quotes.csv",
            "",
            "SELECT comment FROM survey_responses WHERE survey_id = 'S-1'",
            ['Good.\nSupport said "hi", twice.'],
        ),
        ("c14_newlines_in_quotes.csv", "", "SELECT score FROM survey_responses WHERE survey_id = 'S-3'", [None]),
        (
            "c15_ambiguous_dates.csv",
            ', date_format: "%d/%m/%Y"',
            "SELECT CAST(min(expected_close_on) AS VARCHAR) FROM opportunities",
            ["2024-04-03"],
        ),
        (
            "c15_ambiguous_dates.csv",
            ', date_format: "%m/%d/%Y"',
            "SELECT CAST(min(expected_close_on) AS VARCHAR) FROM opportunities",
            ["2024-03-04"],
        ),
        ("c19_identical_rows.csv", "", "SELECT CAST(sum(mrr) AS VARCHAR) FROM subscription_periods", ["150.000000"]),
        (
            "c22_currency_symbols_and_parentheses.csv",
            "",
            "SELECT CAST(amount AS INT) FROM payments ORDER BY payment_id",
            [1200, 300, 500],
        ),
        ("c29_formula_injection.csv", "", "SELECT title FROM contacts WHERE contact_id = 'CON-5'", ["-2+3"]),
        ("c33_report_footer.csv", "", "SELECT CAST(sum(amount) AS INT) FROM opportunities", [3000]),
        (
            "c35_mixed_timestamps.csv",
            "",
            "SELECT date_diff('minute', opened_at, first_response_at) FROM tickets ORDER BY ticket_id",
            [90, 90],
        ),
        ("c39_parent_cycle.csv", "", "SELECT count(parent_account_id) FROM accounts", [0]),
        (
            "c41_credit_note_signs.csv",
            "",
            "SELECT CAST(sum(if(kind = 'invoice', amount, -amount)) AS INT) FROM invoices WHERE account_id = 'ACC-1'",
            [800],
        ),
        ("x01_data_on_second_sheet.xlsx", ", sheet: Deals, time_zone: UTC", "SELECT count(*) FROM opportunities", [1]),
        (
            "x02_two_row_header.xlsx",
            ", header_row: 2",
            "SELECT account_id FROM accounts ORDER BY 1",
            ["ACC-1", "ACC-2"],
        ),
        (
            "x03_dates_as_serials_and_text.xlsx",
            "",
            "SELECT DISTINCT CAST(starts_on AS VARCHAR) FROM contracts",
            ["2024-01-05"],
        ),
        ("x07_numbers_as_text.xlsx", "", "SELECT DISTINCT CAST(amount AS VARCHAR) FROM payments", ["1200.000000"]),
        (
            "j04_big_integers.json",
            "",
            "SELECT account_id FROM accounts ORDER BY name",
            ["9007199254740993", "9007199254740992", "12345678901234567890"],
        ),
        (
            "j05_mixed_types.json",
            "",
            "SELECT CAST(amount AS VARCHAR) FROM opportunities ORDER BY 1 NULLS LAST",
            ["12.500000", "12.500000", None],
        ),
        (
            "j08_zero_decimal_currency.json",
            "",
            "SELECT CAST(amount AS VARCHAR) FROM invoices ORDER BY invoice_id",
            ["5000.000000", "50.000000", "5.000000"],
        ),
    ],
)
def test_values_after_loading(loaded_once: Loading, name: str, options: str, sql: str, expected: list[Any]) -> None:
    """The values that the manifest names under `check_after_load`, also once a setting is stated.

    First response of T-2 in c35: opened 08:00 UTC, answered 09:30, 90 minutes; T-1 from 10:00 to 11:30 too.
    """
    project, _ = loaded_once(name, options) if options else loaded_once(name)
    assert [row[0] for row in query(project, sql)] == expected


def test_local_amounts_with_a_locale(tmp_path: Path) -> None:
    """A stated decimal mark is used as stated: 1 200,00 loads with a comma."""
    project, _ = loaded_from(tmp_path, "x07_numbers_as_text.xlsx", ', decimal: ","')
    assert query(project, "SELECT CAST(amount AS INT) FROM payments WHERE payment_id = 'PAY-1'") == [(1200,)]


def test_an_erased_person_is_not_written_anywhere(loaded_once: Loading) -> None:
    """The address of an erased person is in no file that the load writes."""
    project, report = loaded_once("c45_erased_person.csv")
    assert "erase.me" not in report.text()
    written = b"".join(path.read_bytes() for path in (project / ".revgauge").iterdir() if path.is_file())
    assert b"erase.me" not in written


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Refusing a workbook that unpacks to 100 MB takes no more than a few MB of memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded_from(tmp_path, "x08_zip_bomb.xlsx")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) / 1024 < 90  # megabytes; unpacked it would be 100 and more


MAPPING = """\
source: crm
files: {data: deals.csv}
entities:
  opportunities:
    fields:
      opportunity_id: Deal Id
      amount: Amount
"""


@pytest.mark.parametrize(
    ("fault", "text", "row", "named"),
    [
        ("y01 tab", MAPPING.replace("  opportunities", "\topportunities"), 4, "Use spaces"),
        ("y02 key twice", MAPPING + "      amount: Value\n", 8, "lines 7 and 8"),
        ("y03 misspelt key", MAPPING.replace("    fields", "    feilds"), 5, "Did you mean `fields`"),
        (
            "y06 tag",
            MAPPING.replace("Deal Id", '!!python/object/apply:os.system ["touch pwned"]'),
            6,
            "!!python/object/apply:os.system",
        ),
        ("y08 unknown field", MAPPING.replace("amount:", "amout:"), 7, "Did you mean `amount`"),
        ("y10 column missing", MAPPING.replace("Amount", "Ammount"), 7, "Did you mean `Amount`"),
    ],
)
def test_faults_in_a_mapping(tmp_path: Path, fault: str, text: str, row: int, named: str) -> None:
    """Each fault is told with the line of the file and a way out, and nothing loads."""
    project = make_project(tmp_path, text, {"deals.csv": "Deal Id,Amount,Deal Stage\n1,5.00,Won\n"})
    report = load_now(project)
    assert report.refused == ["crm"], fault
    assert any(problem.row == row and named in str(problem) for problem in report.problems), report.text()
    assert not (tmp_path / "pwned").exists()


def test_yaml_keeps_words_as_words(tmp_path: Path) -> None:
    """y04: NO, 1.10 and 0123 stay what they are when they stand in a mapping."""
    text = (
        "source: crm\nfiles: {data: a.csv}\nentities:\n  accounts:\n    fields:\n      account_id: id\n"
        "      region: {column: country, map: {47: NO, 046: SE}}\n      segment: {value: 1.10}\n"
    )
    project = make_project(tmp_path, text, {"a.csv": "id,country\n1,47\n2,046\n"})
    load_now(project)
    assert query(project, "SELECT region, segment FROM accounts ORDER BY account_id") == [
        ("NO", "1.10"),
        ("SE", "1.10"),
    ]


def test_a_secret_is_told_of_and_not_shown(tmp_path: Path) -> None:
    """y14: a secret in a mapping brings a warning with line and key; its value appears in no message."""
    text = MAPPING.replace("deals.csv", "'postgresql://revops:hunter2@db.example.test/prod'")
    project = make_project(tmp_path, text, {})
    report = load_now(project)
    assert any(problem.rule == "secret" and problem.row == 2 for problem in report.problems)
    assert "hunter2" not in report.text()
    assert query(
        project, "SELECT count(*) FROM quarantine WHERE concat(file, value, reason, fix) LIKE '%hunter2%'"
    ) == [(0,)]


def test_a_file_of_comments_defines_nothing(tmp_path: Path) -> None:
    """y18: a mapping that holds only a comment is told of in words and refuses nothing."""
    project = make_project(tmp_path, "# nothing here yet\n")
    report = load_now(project)
    assert report.ok
    assert "defines nothing" in report.text()
