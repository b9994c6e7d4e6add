"""What an expression means, on every engine: each way in which databases differ, met once in the core.

Expected values follow from arithmetic beside them, from the published changes of clocks, and from the definitions of
the statistics (quantiles interpolate between the two values next to them, deviations divide by one case fewer).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import ibis
import pytest
from ibis import _
from tests.engines.conftest import opener

from revgauge.catalogue.engine import (
    Grouping,
    Warehouse,
    as_money,
    day_literal,
    flag,
    instant_of,
    local_day,
    seconds_between,
    times,
    wall_clock,
)


@pytest.fixture(scope="module", params=["duckdb", "postgresql", pytest.param("spark", marks=pytest.mark.slow)])
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """An empty place on each engine."""
    made = Warehouse(opener(request.param, request)())
    yield made
    made.close()


def one(warehouse: Warehouse, columns: dict[str, str], row: tuple[Any, ...], expression: Any) -> Any:
    """What an expression gives for one row."""
    table = warehouse.literal_table(columns, [row])
    ((found,),) = warehouse.pairs(table.select(found=expression))
    return found


def of_all(warehouse: Warehouse, kind: str, values: list[Any], **aggregates: Any) -> dict[str, Any]:
    """What aggregates give for the values of a column `x`."""
    table = warehouse.literal_table({"x": kind}, [(value,) for value in values])
    (found,) = warehouse.fetch(table.aggregate(**aggregates)).to_pylist()
    return dict(found)


@pytest.mark.parametrize("kind", ["int64", "float64", "decimal(18, 6)"])
def test_a_division_is_true_and_by_zero_gives_nothing(warehouse: Warehouse, kind: str) -> None:
    """1 / 2 is a half for numbers of every kind, and a divisor of zero gives nothing, no error or infinity."""
    columns = {"x": kind, "y": kind, "z": kind}
    number: Any = Decimal if kind.startswith("decimal") else float if kind == "float64" else int
    row = (number(1), number(2), number(0))
    assert one(warehouse, columns, row, _.x / _.y) == 0.5
    assert one(warehouse, columns, row, _.x / _.z) is None
    assert one(warehouse, columns, row, _.x / (_.y - _.y)) is None
    assert one(warehouse, columns, row, _.x / 4) == 0.25


def test_money_is_exact(warehouse: Warehouse) -> None:
    """Products, differences and sums of amounts keep all of their fourteen places."""
    columns = {"money": "decimal(18, 6)", "rate": "decimal(18, 8)"}
    row = (Decimal("999999999999.999999"), Decimal("1.12345678"))
    converted = times(_.money, _.rate)
    # 10^12 x 1.12345678 - 0.000001 x 1.12345678
    expected = Decimal("1123456779999.99999887654322")
    assert one(warehouse, columns, row, converted) == expected
    assert one(warehouse, columns, row, as_money(converted - as_money(_.money) + as_money(_.money))) == expected
    cents = [Decimal("0.00000000000001"), Decimal("99999999999999999999.99999999999999"), Decimal(-1)]
    found = of_all(warehouse, "decimal(38, 14)", cents, total=_.x.sum())
    assert found["total"] == Decimal(99999999999999999999)


@pytest.mark.parametrize("kind", ["int64", "decimal(18, 6)", "float64"])
def test_statistics_of_numbers_of_every_kind(warehouse: Warehouse, kind: str) -> None:
    """1, 2, 3, 6: mean 3; median 2.5; the 90th percentile lies 0.7 of the way from 3 to 6; deviation root of 14 / 3."""
    number: Any = Decimal if kind.startswith("decimal") else float if kind == "float64" else int
    values = [number(value) for value in (6, 1, 3, 2)]
    found = of_all(
        warehouse, kind, [*values, None], mean=_.x.mean(), median=_.x.median(), p90=_.x.quantile(0.9), spread=_.x.std()
    )
    # Ibis promises decimals for statistics of decimals, with their six places.
    near = 1e-6 if kind.startswith("decimal") else 1e-12
    numbers = {name: float(value) for name, value in found.items()}
    assert numbers == pytest.approx({"mean": 3, "median": 2.5, "p90": 5.1, "spread": (14 / 3) ** 0.5}, abs=near)
    alone = of_all(warehouse, kind, [number(5)], median=_.x.median(), spread=_.x.std(how="sample"))
    assert alone == {"median": 5, "spread": None}


def test_a_quantile_of_some_rows(warehouse: Warehouse) -> None:
    """The median of those of 1, 2, 3, 10 that are below 10 is 2; of those above 10 there is none."""
    found = of_all(
        warehouse,
        "int64",
        [1, 2, 3, 10],
        median=_.x.median(where=_.x < 10),
        p75=_.x.quantile(0.75, where=_.x < 10),
        none=_.x.quantile(0.5, where=_.x > 10),
    )
    assert found == {"median": 2, "p75": 2.5, "none": None}


@pytest.mark.parametrize("kind", ["float64", "decimal(18, 6)"])
def test_halves_are_rounded_away_from_zero(warehouse: Warehouse, kind: str) -> None:
    """0.5, 1.5 and 2.5 become 1, 2 and 3, below zero likewise, rounded or cast; 2.4 becomes 2."""
    number: Any = Decimal if kind.startswith("decimal") else float
    texts = ["0.5", "1.5", "2.5", "-0.5", "-1.5", "-2.5", "2.4", "-2.4", "0"]
    table = warehouse.literal_table({"n": "int64", "x": kind}, [(n, number(text)) for n, text in enumerate(texts)])
    rows = warehouse.pairs(table.select(_.n, rounded=_.x.round().cast("int64"), cast=_.x.cast("int64")).order_by("n"))
    expected = [1, 2, 3, -1, -2, -3, 2, -2, 0]
    assert [row[1] for row in rows] == expected
    assert [row[2] for row in rows] == expected


def test_days_stay_days(warehouse: Warehouse) -> None:
    """A day with a day added, and the first day of a month, quarter or week, are days and compare as such."""
    columns = {"day": "date"}
    row = (date(2025, 2, 28),)
    assert one(warehouse, columns, row, _.day + ibis.interval(days=1)) == date(2025, 3, 1)
    assert one(warehouse, columns, row, _.day - ibis.interval(days=28)) == date(2025, 1, 31)
    assert one(warehouse, columns, row, _.day.truncate("M")) == date(2025, 2, 1)
    assert one(warehouse, columns, row, _.day.truncate("Q")) == date(2025, 1, 1)
    assert one(warehouse, columns, row, _.day.truncate("W")) == date(2025, 2, 24)  # a Monday
    assert one(warehouse, columns, row, _.day.truncate("M") == day_literal(date(2025, 2, 1))) is True
    assert one(warehouse, columns, row, _.day.delta(day_literal(date(2025, 3, 31)), unit="day")) == -31


def test_elapsed_seconds_are_whole(warehouse: Warehouse) -> None:
    """From 0.9 s after to 1.1 s after is one second by the clock, over a change of clocks as well."""
    columns = {"start": "timestamp(6)", "end": "timestamp(6)"}
    row = (datetime(2025, 3, 30, 0, 0, 0, 900_000), datetime(2025, 3, 30, 3, 0, 1, 100_000))  # noqa: DTZ001 - in UTC
    assert one(warehouse, columns, row, seconds_between(_.start, _.end)) == 3 * 3600 + 1


CLOCKS = [
    # New York goes to summer time at 07:00 UTC on 9 March, back at 06:00 UTC on 2 November.
    ("America/New_York", "2025-03-09 06:59:59", "2025-03-09 01:59:59"),
    ("America/New_York", "2025-03-09 07:00:00", "2025-03-09 03:00:00"),
    ("America/New_York", "2025-11-02 06:30:00", "2025-11-02 01:30:00"),
    # Chatham stands 12:45 ahead, 13:45 in summer.
    ("Pacific/Chatham", "2024-12-31 10:15:00", "2025-01-01 00:00:00"),
    ("Asia/Kolkata", "2025-02-28 18:30:00", "2025-03-01 00:00:00"),
    ("UTC", "2025-02-28 23:59:59", "2025-02-28 23:59:59"),
]


@pytest.mark.parametrize(("zone", "instant", "wall"), CLOCKS)
def test_clocks(warehouse: Warehouse, zone: str, instant: str, wall: str) -> None:
    """A clock in the zone shows that at the instant, on that day; and the other way round, the later of two."""
    columns = {"instant": "timestamp(6)", "wall": "timestamp(6)"}
    row = (datetime.fromisoformat(instant), datetime.fromisoformat(wall))
    assert one(warehouse, columns, row, wall_clock(_.instant, zone)) == row[1]
    assert one(warehouse, columns, row, local_day(_.instant, zone)) == row[1].date()
    assert one(warehouse, columns, row, instant_of(_.wall, zone)) == row[0]


def test_an_hour_that_no_clock_shows(warehouse: Warehouse) -> None:
    """Half past two does not exist in New York on 9 March 2025; the same moment is called half past three."""
    row = (datetime(2025, 3, 9, 2, 30),)  # noqa: DTZ001 - a wall clock
    found = one(warehouse, {"wall": "timestamp(6)"}, row, instant_of(_.wall, "America/New_York"))
    assert found == datetime(2025, 3, 9, 7, 30)  # noqa: DTZ001 - in UTC


def test_texts_are_compared_byte_by_byte(warehouse: Warehouse) -> None:
    """Z comes before a, and ä behind z, in orders, in the smallest and largest, and in tables made of others."""
    table = warehouse.literal_table({"word": "string"}, [("a",), ("Z",), ("ä",), ("z",), ("",), (None,)])
    kept = warehouse.keep("words", table.mutate(rank=ibis.row_number().over(order_by=table.word)))
    ordered = [word for word, _rank in sorted(warehouse.pairs(kept.filter(_.word.notnull())), key=lambda row: row[1])]
    assert ordered == ["", "Z", "a", "z", "ä"]
    (ends,) = warehouse.pairs(kept.aggregate(low=kept.word.nullif("").min(), high=kept.word.max()))
    assert ends == ("Z", "ä")
    assert warehouse.pairs(kept.filter(_.word > "a").aggregate(n=_.count())) == [(2,)]


def test_what_is_empty_comes_last(warehouse: Warehouse) -> None:
    """Rows without a value come behind the others, upwards and downwards."""
    table = warehouse.literal_table({"x": "int64"}, [(2,), (None,), (1,)])
    for order in (table.x, table.x.desc()):
        ranked = table.mutate(rank=ibis.row_number().over(order_by=order))
        assert (None, 2) in warehouse.pairs(ranked)


def test_letters_beyond_ascii_have_two_cases(warehouse: Warehouse) -> None:
    """ÄÖ in small letters is äö, whatever the order of texts is."""
    assert one(warehouse, {"word": "string"}, ("ÄÖ Ab",), _.word.lower()) == "äö ab"
    assert one(warehouse, {"word": "string"}, ("äö Ab",), _.word.upper()) == "ÄÖ AB"
    assert one(warehouse, {"word": "string"}, ("ÄÖ Ab",), _.word.lower() < "b") is False


def test_truth_is_counted(warehouse: Warehouse) -> None:
    """A condition can be summed; what is not known counts as not so where it is a flag, and not at all otherwise."""
    found = of_all(
        warehouse,
        "boolean",
        [True, True, False, None],
        flags=flag(_.x).sum(),
        cast=_.x.cast("int64").sum(),
        known=_.x.cast("int64").count(),
    )
    assert found == {"flags": 2, "cast": 2, "known": 3}


def test_the_larger_of_two_where_one_is_not_known(warehouse: Warehouse) -> None:
    """The greatest and least of a value and nothing is the value."""
    columns = {"x": "int64", "y": "int64"}
    assert one(warehouse, columns, (3, None), ibis.greatest(_.x, _.y)) == 3
    assert one(warehouse, columns, (3, None), ibis.least(_.x, _.y)) == 3


def test_rows_arrive_as_they_were_sent(warehouse: Warehouse) -> None:
    """Values of every kind go there and come back: quotes, line breaks, empty texts beside no text, far days."""
    columns = {
        "n": "int64", "word": "string", "amount": "decimal(18, 6)", "share": "float64", "yes": "boolean", "day": "date",
        "at": "timestamp(6)",
    }  # fmt: skip
    moment = datetime(2025, 1, 31, 23, 59, 59, 123_456)  # noqa: DTZ001 - in UTC
    rows = [
        (1, 'a "b", c;\n\td\\ e', Decimal("-0.000001"), 0.1, True, date(1970, 1, 1), moment),
        (2, "", Decimal("999999999999.999999"), -1e-300, False, date(9999, 12, 31), moment.replace(microsecond=0)),
        (3, None, None, None, None, None, None),
        (-(2**63) + 1, "\\.", Decimal(0), 1e300, True, date(1900, 2, 28), datetime(1969, 12, 31)),  # noqa: DTZ001 - in UTC
        (5, "äöü 漢字 🙂", Decimal(1), 3.0, False, date(2024, 2, 29), moment),
    ]
    table = warehouse.literal_table(columns, rows)
    assert sorted(warehouse.pairs(table)) == sorted(rows)
    assert sorted(warehouse.pairs(warehouse.keep("copy", table))) == sorted(rows)
    assert warehouse.pairs(table.filter(_.n == 0)) == []
    only = warehouse.literal_table({"word": "string"}, [("",), (None,), ("x",)])
    assert sorted(warehouse.pairs(only), key=repr) == [("",), ("x",), (None,)]


def test_several_groupings_in_one_pass(warehouse: Warehouse) -> None:
    """Sums by one column, by another and of all, of the same rows: a row of each cut has just its columns filled."""
    rows = [("a", "x", 1), ("a", "y", 2), ("b", "x", 4)]
    table = warehouse.literal_table({"one": "string", "two": "string", "n": "int64"}, rows)
    answer = warehouse.grouped(Grouping.of(table, {}, [["one"], ["two"], []], {"total": table.n.sum()}))
    found = {(row["one"], row["two"]): row["total"] for row in answer.to_pylist()}
    assert found == {("a", None): 3, ("b", None): 4, (None, "x"): 5, (None, "y"): 2, (None, None): 7}


def test_rows_left_out_twice_stay_left_out(warehouse: Warehouse) -> None:
    """A table limited by another may be read in two places of one query, and is limited in both."""
    table = warehouse.literal_table({"key": "string", "n": "int64"}, [("a", 1), ("b", 2)])
    other = warehouse.literal_table({"key": "string"}, [("a",)])
    limited = table.anti_join(other, "key").select("key", m=_.n + 1)
    twice = limited.select("key", side=_.m).union(limited.select("key", side=-_.m))
    assert sorted(warehouse.pairs(twice)) == [("b", -3), ("b", 3)]
    assert sorted(warehouse.pairs(warehouse.keep("twice", twice))) == [("b", -3), ("b", 3)]
