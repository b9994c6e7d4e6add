"""Queries that are written once: with blanks, the same as without, and kept in files that may be lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pytest
from ibis import _
from tests.build.company import LATE, company, workspace
from tests.queries import noted_queries, plainly_written

from revgauge.catalogue.engine import DuckDB, Forms, Warehouse, day_literal, forms
from revgauge.catalogue.engine.forms import Form
from revgauge.model.store import HOME, QUERIES
from revgauge.sources.erasure import register_erasure

DAYS = (date(2026, 1, 31), date(2026, 2, 1))


@pytest.fixture(autouse=True)
def nothing_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process starts without knowing any form."""
    monkeypatch.setattr(Forms, "_known", {})


def visits(folder: Path | None = None) -> tuple[Warehouse, Any]:
    """A database with a visit on each of two days."""
    warehouse = Warehouse.in_memory()
    warehouse.engine.forms = Forms(folder)
    return warehouse, warehouse.literal_table({"day": "date", "note": "string"}, [(day, str(day)) for day in DAYS])


def until(table: Any, day: date) -> Any:
    """How many there were up to a day, the day told too."""
    found = table.filter(table.day <= day_literal(day))
    return found.aggregate(n=found.count()).mutate(told=_.n.cast("string") + f" by {day}")


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forgets what this process knows, as if it were another one."""
    return lambda: monkeypatch.setattr(Forms, "_known", {})


def test_another_day_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same question as of another day is not written again, and the day counts where it stands."""
    written = noted_queries(monkeypatch)
    for day, expected in zip(DAYS, (1, 2), strict=True):
        warehouse, table = visits()
        assert warehouse.pairs(until(table, day)) == [(expected, f"{expected} by {day}")]
    assert len(written) == 1


def test_days_that_are_equal_by_chance_are_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a day to a day is asked in two ways, whether the days are one or two: either way the answer is right."""
    written = noted_queries(monkeypatch)
    warehouse, table = visits()
    found = []
    for first, last in ((DAYS[0], DAYS[1]), (DAYS[0], DAYS[0]), (DAYS[1], DAYS[1])):
        asked = table.filter(table.day >= day_literal(first), table.day <= day_literal(last)).aggregate(n=_.count())
        found += warehouse.pairs(asked)
    assert found == [(2,), (1,), (1,)]
    assert len(written) == 2


def test_a_day_within_a_list_stays_what_it_is() -> None:
    """Days in one value of several are no blanks, though the same day alone is one beside them."""
    warehouse, table = visits()
    found = []
    for listed, day in ((DAYS[0], DAYS[0]), (DAYS[0], DAYS[1])):
        several = ibis.literal([str(listed)], type="array<string>")
        asked = table.filter(several.contains(table.note), table.day < day_literal(day)).aggregate(n=_.count())
        found += warehouse.pairs(asked)
    assert found == [(0,), (1,)]


@pytest.mark.slow
def test_every_query_of_a_build_is_filled_in_as_it_would_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All queries of two builds as of different days are, letter by letter, what Ibis writes without blanks."""
    plain, same = DuckDB.written, []

    def compared(engine: DuckDB, expression: Any, schema: Any, sets: Any = ()) -> str:
        text = plain(engine, expression, schema, sets)
        same.append(text == plainly_written(engine, expression, sets))
        return text

    monkeypatch.setattr(DuckDB, "written", compared)
    folder = company(tmp_path)
    for day in (LATE, LATE.replace(day=LATE.day - 1)):
        workspace(folder, day).build()
    assert len(same) > 50
    assert all(same)


def test_forms_are_kept_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: Callable[[], None]
) -> None:
    """What one process wrote the next one reads, of another database and another day."""
    written = noted_queries(monkeypatch)
    for day, expected in zip(DAYS, (1, 2), strict=True):
        fresh_process()
        warehouse, table = visits(tmp_path / "queries")
        assert warehouse.pairs(until(table, day)) == [(expected, f"{expected} by {day}")]
    assert len(written) == 1


DAMAGED = ["", "{", "[]", '{"pieces": ["SELECT 1"]}', '{"pieces": 3, "blanks": []}', '{"pieces": [], "blanks": []}']


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_file_that_cannot_be_read_is_written_anew(
    damaged: str, tmp_path: Path, fresh_process: Callable[[], None]
) -> None:
    """A file that a full disk or a crash spoilt is no matter."""
    warehouse, table = visits(tmp_path)
    asked = until(table, DAYS[0])
    warehouse.pairs(asked)
    (file,) = tmp_path.iterdir()
    whole = file.read_text()
    file.write_text(damaged)
    fresh_process()
    warehouse, table = visits(tmp_path)
    assert warehouse.pairs(until(table, DAYS[0])) == [(1, f"1 by {DAYS[0]}")]
    assert json.loads(file.read_text()) == json.loads(whole)


def test_a_folder_that_cannot_be_written_is_no_matter(tmp_path: Path) -> None:
    """Where a file stands in the place of the folder, questions are answered all the same."""
    (tmp_path / "queries").write_text("not a folder")
    warehouse, table = visits(tmp_path / "queries")
    assert warehouse.pairs(until(table, DAYS[1])) == [(2, f"2 by {DAYS[1]}")]


def test_other_software_writes_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_process: Callable[[], None]
) -> None:
    """Forms of another version of the program, of Ibis or of sqlglot are not used."""
    written = noted_queries(monkeypatch)
    for version in ("one", "two", "two"):
        fresh_process()
        monkeypatch.setattr("revgauge.catalogue.engine.base.writers", lambda version=version: version)
        warehouse, table = visits(tmp_path)
        warehouse.pairs(until(table, DAYS[0]))
    assert len(written) == 2
    assert len(forms.writers()) == 32


def test_the_folder_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than four files the older half goes, leftovers of killed processes too."""
    monkeypatch.setattr(Forms, "IN_FOLDER", 4)
    kept = Forms(tmp_path)
    for number in range(12):
        kept.of(f"q{number}", lambda: Form(("SELECT 1",), ()))
        os.utime(tmp_path / f"q{number}.json", (number, number))
        assert len(list(tmp_path.iterdir())) <= 5
    assert (tmp_path / "q11.json").exists()
    assert not (tmp_path / "q0.json").exists()


def test_of_very_many_forms_the_process_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are known: b is written again, since a was asked for after it and c came."""
    monkeypatch.setattr(Forms, "IN_MEMORY", 2)
    made: list[str] = []

    def found(key: str) -> str:
        def write() -> Form:
            made.append(key)
            return Form((key.upper(),), ())

        return Forms().of(key, write).filled(())

    assert [found(key) for key in "abacab"] == list("ABACAB")
    assert made == ["a", "b", "c", "b"]


def test_a_blank_that_is_written_otherwise_is_noticed() -> None:
    """A mark that is left in the text would be sent to the database: it is an error instead."""
    assert Form.cut("SELECT 'x' FROM \"t\"", ['"t"', "'x'"]).filled(['"u"', "'y'"]) == "SELECT 'y' FROM \"u\""
    with pytest.raises(ValueError, match="blank"):
        Form.cut("SELECT revgauge_blank_day_0", ["'revgauge_blank_day_0'"])


def test_queries_are_forgotten_when_a_person_is_erased(tmp_path: Path) -> None:
    """Somebody may have asked for the person by name: no file of the project holds the address any more."""
    Forms(tmp_path / HOME / QUERIES).of("q", lambda: Form(("SELECT 1 WHERE email = 'ada@example.com'",), ()))
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"ada@" in path.read_bytes()]
    register_erasure(tmp_path, "contacts", "ada@example.com")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"ada@" in path.read_bytes()]
