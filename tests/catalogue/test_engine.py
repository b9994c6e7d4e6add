"""The engine's helpers: what goes wrong quietly in a database, and does not here.

Expected instants follow from the published changes of clocks: New York goes to summer time on the second Sunday of
March at 07:00 UTC and back on the first of November at 06:00 UTC; the Chatham Islands stand 12:45 ahead of UTC, 13:45
in summer, and go back on the first Sunday of April at 14:00 UTC of Saturday.
"""

from __future__ import annotations

import functools
import threading
import time
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.queries import noted_queries

from revgauge.catalogue.engine import (
    Grouping,
    Warehouse,
    as_money,
    day_literal,
    days_between,
    flag,
    instant_of,
    local_day,
    seconds_between,
    times,
    to_decimal,
    wall_clock,
)
from revgauge.model.entities import ENTITIES


@pytest.fixture(scope="module")
def warehouse() -> Warehouse:
    """An empty database."""
    return Warehouse.in_memory()


def computed(warehouse: Warehouse, expression: Any) -> Any:
    """What the database makes of an expression without a table."""
    return warehouse.backend.to_pyarrow(expression).as_py()


def product(warehouse: Warehouse, money: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """An amount times a rate, each in a column as a store has them."""
    columns = {"money": "decimal(18, 6)", "rate": "decimal(18, 8)"}
    table = warehouse.literal_table(columns, [(money, rate)])
    ((found,),) = warehouse.pairs(table.select(found=times(ibis._.money, ibis._.rate)))
    return found  # type: ignore[no-any-return] # a column of decimals


@pytest.mark.parametrize(
    ("text", "rate", "expected"),
    [
        ("0.000001", "0.00000001", "0.00000000000001"),
        ("100.10", "1.1", "110.11"),
        ("999999999999.999999", "9999.12345678", "9999123456779999.99000087654322"),
        ("-12.345678", "0.5", "-6.172839"),
        ("0.1", "0.1", "0.01"),
    ],
)
def test_a_converted_amount_keeps_every_place(warehouse: Warehouse, text: str, rate: str, expected: str) -> None:
    """An amount of six places times a rate of eight has fourteen places, none rounded, and does not overflow."""
    assert product(warehouse, Decimal(text), Decimal(rate)) == Decimal(expected)


@settings(max_examples=20)
@given(
    micros=st.integers(-(10**18) + 1, 10**18 - 1),
    rate=st.integers(0, 10**12),
)
def test_conversion_is_exact_for_any_amount(micros: int, rate: int) -> None:
    """The product of any amount and rate equals the exact product."""
    money, worth = Decimal(micros).scaleb(-6), Decimal(rate).scaleb(-8)
    with localcontext(prec=50):
        assert product(SHARED, money, worth) == money * worth


SHARED = Warehouse.in_memory()


def test_an_amount_that_is_not_known_stays_so(warehouse: Warehouse) -> None:
    """A missing amount or rate gives no product, not zero."""
    assert product(warehouse, None, Decimal(1)) is None
    assert product(warehouse, Decimal(1), None) is None
    assert product(warehouse, Decimal("1.5"), Decimal(0)) == 0
    assert computed(warehouse, as_money(ibis.literal(Decimal("1.5")))) == Decimal("1.5")


def instant(text: str) -> Any:
    """A UTC instant as it stands in a column."""
    return ibis.literal(text).cast("timestamp")


@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        ("UTC", "2025-03-31 23:59:59", date(2025, 3, 31)),
        ("America/New_York", "2025-03-09 04:59:59", date(2025, 3, 8)),
        ("America/New_York", "2025-03-09 05:00:00", date(2025, 3, 9)),
        ("America/New_York", "2025-03-10 03:59:59", date(2025, 3, 9)),
        ("America/New_York", "2025-03-10 04:00:00", date(2025, 3, 10)),
        ("America/New_York", "2025-11-02 03:59:59", date(2025, 11, 1)),
        ("America/New_York", "2025-11-02 04:00:00", date(2025, 11, 2)),
        ("America/New_York", "2025-11-03 04:59:59", date(2025, 11, 2)),
        ("America/New_York", "2025-11-03 05:00:00", date(2025, 11, 3)),
        ("Pacific/Chatham", "2025-04-05 10:14:59", date(2025, 4, 5)),
        ("Pacific/Chatham", "2025-04-05 10:15:00", date(2025, 4, 6)),
        ("Pacific/Chatham", "2025-04-06 11:14:59", date(2025, 4, 6)),
        ("Pacific/Chatham", "2025-04-06 11:15:00", date(2025, 4, 7)),
        ("Pacific/Chatham", "2024-12-31 10:15:00", date(2025, 1, 1)),
        ("Asia/Kolkata", "2025-03-31 18:30:00", date(2025, 4, 1)),
    ],
)
def test_the_day_of_an_instant(warehouse: Warehouse, zone: str, moment: str, expected: date) -> None:
    """An instant falls on the day of the reporting zone, to the second, before and after clocks change."""
    assert computed(warehouse, local_day(instant(moment), zone)) == expected


def test_the_machine_and_the_session_have_no_say(warehouse: Warehouse) -> None:
    """The day of an instant is the same whatever time zone the database session is set to."""
    found = []
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles", "UTC"):
        warehouse.connection.execute(f"SET TimeZone = '{zone}'")
        found.append(computed(warehouse, local_day(instant("2025-03-31 23:30:00"), "Europe/Berlin")))
    assert found == [date(2025, 4, 1)] * 3


@pytest.mark.parametrize(
    ("zone", "moment", "wall"),
    [
        ("America/New_York", "2025-03-09 06:59:59", "2025-03-09 01:59:59"),
        ("America/New_York", "2025-03-09 07:00:00", "2025-03-09 03:00:00"),
        ("Pacific/Chatham", "2025-04-05 13:59:59", "2025-04-06 03:44:59"),
        ("Pacific/Chatham", "2025-04-05 14:00:00", "2025-04-06 02:45:00"),
        ("UTC", "2025-04-05 14:00:00", "2025-04-05 14:00:00"),
    ],
)
def test_the_wall_clock_of_an_instant(warehouse: Warehouse, zone: str, moment: str, wall: str) -> None:
    """The clock on the wall jumps ahead by an hour, or is turned back, at the instant at which it should."""
    assert str(computed(warehouse, wall_clock(instant(moment), zone))) == wall


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Chatham", "Asia/Kolkata"])
def test_a_wall_clock_leads_back_to_its_instant(warehouse: Warehouse, zone: str) -> None:
    """Away from the hour that a clock shows twice, instant and wall clock are two ways to say the same."""
    moment = instant("2025-07-15 13:37:00")
    assert str(computed(warehouse, instant_of(wall_clock(moment, zone), zone))) == "2025-07-15 13:37:00"


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2025-03-01 00:00:00", "2025-03-01 00:00:00", 0),
        ("2025-03-01 23:59:59", "2025-03-02 00:00:00", 1),
        ("2025-03-02 00:00:00", "2025-03-01 23:59:59", -1),
        ("2024-02-28 12:00:00", "2024-03-01 12:00:00", 2 * 86400),
        ("1999-12-31 00:00:00", "2025-12-31 00:00:00", 9497 * 86400),
    ],
)
def test_elapsed_time_is_elapsed(warehouse: Warehouse, start: str, end: str, seconds: int) -> None:
    """From one instant to another whole seconds pass, not days whose ends lie between (26 years are 9497 days)."""
    assert computed(warehouse, seconds_between(instant(start), instant(end))) == seconds
    assert computed(warehouse, days_between(instant(start), instant(end))) == seconds / 86400


def test_elapsed_time_from_a_column_to_a_literal(warehouse: Warehouse) -> None:
    """The end may be one instant for all rows while the start is a column that is not resolved yet."""
    table = warehouse.literal_table({"text": "string"}, [("2025-02-28 00:00:00",)])
    started = table.select(at=table.text.cast("timestamp"))
    elapsed = started.select(seconds=seconds_between(ibis._.at, instant("2025-03-01 00:00:00")))
    assert warehouse.pairs(elapsed) == [(86400,)]


def test_what_is_not_known_is_not_flagged(warehouse: Warehouse) -> None:
    """A condition that holds is 1; one that does not, or that cannot be told, is 0 and never empty."""
    table = warehouse.literal_table({"paid": "boolean"}, [(True,), (False,), (None,)])
    found = warehouse.pairs(table.select("paid", marked=flag(ibis._.paid)))
    assert dict(found) == {True: 1, False: 0, None: 0}


def test_a_day_is_a_day(warehouse: Warehouse) -> None:
    """A literal day compares as a day and not as text."""
    assert computed(warehouse, day_literal(date(2025, 3, 9))) == date(2025, 3, 9)
    assert computed(warehouse, day_literal(date(2025, 3, 10)) > day_literal(date(2025, 3, 9))) is True


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1, Decimal("0.1")), (3, Decimal(3)), (Decimal("1.10"), Decimal("1.10")), (1e-7, Decimal("1e-7"))],
)
def test_numbers_of_the_database_become_decimals(value: Any, expected: Decimal) -> None:
    """A binary number becomes the shortest decimal that it stands for, not all of its binary digits."""
    assert to_decimal(value) == expected


def test_given_rows_keep_their_types_and_gaps(warehouse: Warehouse) -> None:
    """A small table of values keeps decimals exact and empty cells empty, and may have no rows at all."""
    columns = {"name": "string", "rate": "decimal(18, 8)", "day": "date"}
    rows = [("EUR", Decimal("1.10000001"), date(2025, 1, 1)), (None, None, None)]
    assert warehouse.pairs(warehouse.literal_table(columns, rows).order_by("name")) == rows
    assert warehouse.pairs(warehouse.literal_table(columns, [])) == []


def test_several_groupings_in_one_pass(warehouse: Warehouse) -> None:
    """One pass gives the sums of each set of columns; a row is told from another by which columns are filled."""
    rows = [("a", "x", 1), ("a", "y", 2), ("b", "y", 4)]
    table = warehouse.literal_table({"one": "string", "two": "string", "n": "int64"}, rows)
    table = table.mutate(bucket=ibis.literal(0))
    steps = len(warehouse.journal.steps)
    sets: list[tuple[str, ...]] = [(), ("one",), ("two",), ("one", "two")]
    found = warehouse.grouped(Grouping.of(table, {"bucket": table.bucket}, sets, {"total": ibis._.n.sum()}))
    told = {(row["one"], row["two"]): row["total"] for row in found.to_pylist()}
    assert told == {
        (None, None): 7,
        ("a", None): 3,
        ("b", None): 4,
        (None, "x"): 1,
        (None, "y"): 6,
        ("a", "x"): 1,
        ("a", "y"): 2,
        ("b", "y"): 4,
    }
    assert len(warehouse.journal.steps) == steps + 1


def test_the_journal_counts_how_often_a_table_is_read(warehouse: Warehouse) -> None:
    """Each query notes what it read, so that a build can say how often each table was scanned."""
    table = warehouse.literal_table({"n": "int64"}, [(1,)])
    name = table.op().name
    before = warehouse.journal.scans().get(name, 0)
    warehouse.fetch(table)
    kept = warehouse.keep("kept", table)
    assert warehouse.pairs(kept) == [(1,)]
    assert warehouse.journal.scans()[name] == before + 2
    assert [(step.kind, step.rows) for step in warehouse.journal.steps[-3:]] == [
        ("query", 1),
        ("table", 1),
        ("query", 1),
    ]


def test_small_questions_wait_for_what_they_read_and_for_nothing_else(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One piece of work runs, another waits, and behind it a table is to be made.

    A question that reads what stands there already is answered while the other piece still waits. One that reads the
    table is answered after it was made: before, there would be nothing to read.
    """
    engine, first, second = warehouse.engine, threading.Event(), threading.Event()
    there = warehouse.keep("there", warehouse.literal_table({"n": "int64"}, [(1,)]))
    assert warehouse.pairs(there) == [(1,)]
    waits = warehouse.keep("waits", warehouse.literal_table({"n": "int64"}, [(2,)]))
    for gate in (first, second):
        engine.lane.later(functools.partial(gate.wait, 10.0))
    answers = warehouse.answers([Grouping(waits, (), ())])
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.extend(answers))
    reader.start()
    while warehouse.journal.steps[-1].name != "query":
        time.sleep(0.01)
    asked, gates = engine.arrow, iter((first, second))

    def opened_when_asked(*question: Any) -> Any:
        pending = asked(*question)
        next(gates).set()
        return pending

    monkeypatch.setattr(engine, "arrow", opened_when_asked)
    assert warehouse.pairs(there) == [(1,)]
    assert not second.is_set()
    assert reader.is_alive()
    assert warehouse.pairs(waits) == [(2,)]
    reader.join()
    assert [rows.to_pylist() for rows in found] == [[{"n": 2}]]


def test_the_tables_of_a_store_are_as_ibis_reads_them() -> None:
    """Described all at once, every entity has the columns, types and duties that Ibis finds when it asks for one."""
    warehouse = Warehouse.of_empty_entities()
    for name in ENTITIES:
        read = warehouse.backend.table(name)
        assert warehouse.entity(name).schema() == read.schema()
        assert warehouse.entity(name).equals(read)
    with pytest.raises(KeyError):
        warehouse.entity("no_such_entity")


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """Before anything was loaded there is nothing to open."""
    with pytest.raises(FileNotFoundError):
        Warehouse.open(tmp_path / "entities.duckdb")


def test_an_entity_that_was_never_loaded_has_the_shape_of_one(warehouse: Warehouse) -> None:
    """An optional entity stands in as an empty table with all of its columns."""
    assert not warehouse.loaded("accounts")
    assert warehouse.fields("accounts") == {}
    empty = warehouse.empty("accounts")
    assert {"account_id", "segment", "duplicate_of"} <= set(empty.columns)
    assert warehouse.pairs(empty) == []
    assert warehouse.empty("accounts") is empty


def staff(*rows: tuple[str, str, int]) -> tuple[Warehouse, Any]:
    """A database with people of a town, a team and a number, and the table of them."""
    warehouse = Warehouse.in_memory()
    return warehouse, warehouse.literal_table({"town": "string", "team": "string", "number": "int64"}, rows)


def test_a_query_is_written_once_for_all_databases_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same question of another database takes the text of the first, and the answer is that of its own rows."""
    written = noted_queries(monkeypatch)
    for number in (3, 4):
        warehouse, people = staff(("Ulm", "red", number), ("Ulm", "red", 1))
        (found,) = warehouse.pairs(people.aggregate(most=people.number.max()))
        assert found == (number,)
    assert len(written) == 1


def test_questions_that_differ_have_each_a_text_of_their_own() -> None:
    """Another value, column, name, or set of columns to group by is another question."""
    warehouse, people = staff(("Ulm", "red", 3), ("Jena", "red", 4), ("Jena", "blue", 5))
    namesake = warehouse.literal_table({"town": "string", "team": "string", "number": "int64"}, [])
    asked = [people, namesake, people.filter(people.number > 3), people.filter(people.number > 4)]
    asked += [people.select("town"), people.select(town="team"), warehouse.empty("accounts")]
    texts = [warehouse.engine.written(one, one.schema()) for one in asked]
    both = people.group_by("town", "team").aggregate(number=people.number.sum())
    texts += [warehouse.engine.written(both, both.schema(), sets) for sets in ((), (("town",), ("team",)))]
    assert len(set(texts)) == len(texts)
    cut = Grouping.of(people, {}, [["town"], ["team"]], {"number": people.number.sum()})
    rows = {tuple(row.values()) for row in warehouse.grouped(cut).to_pylist()}
    assert rows == {("Ulm", None, 3), ("Jena", None, 9), (None, "red", 7), (None, "blue", 5)}


def test_what_failed_is_tried_again(warehouse: Warehouse) -> None:
    """A text that is no number ends the making of a table and of one that reads it; once it is one, both are made."""
    warehouse.connection.execute("CREATE TEMP TABLE told (n VARCHAR)")
    warehouse.connection.execute("INSERT INTO told VALUES ('one')")
    told = warehouse.engine.promised("told", ibis.schema({"n": "string"}))
    numbers = warehouse.keep("numbers", told.select(n=told.n.cast("int64"), same=told.n))
    more = warehouse.keep("more", numbers.select(n=numbers.n + 1))
    for _ in range(2):
        with pytest.raises(duckdb.ConversionException, match="one"):
            warehouse.pairs(more)
    warehouse.connection.execute("UPDATE told SET n = '1'")
    assert warehouse.pairs(more) == [(2,)]
    assert warehouse.pairs(numbers) == [(1, "1")]
