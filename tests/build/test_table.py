"""The table of published values: one row for each period and key, rounded once, with reasons and marks in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pytest

from revgauge.catalogue.build import values_table
from revgauge.catalogue.evaluation import Request, Result
from revgauge.catalogue.exact import Exact
from revgauge.catalogue.published import ROW_GROUP, SCHEMA, Built, Published, publish
from revgauge.catalogue.series import Reasons, Series
from revgauge.metrics import builtin_catalogue
from revgauge.model.period import Calendar

CALENDAR = Calendar(date(2025, 2, 14))
MONTHS = (CALENDAR.parse("2025-01"), CALENDAR.parse("2025-02"))


def result(
    numbers: Sequence[Sequence[str | None]], keys: Sequence[tuple[str, ...]], by: tuple[str, ...] = (), mark: str = ""
) -> Result:
    """The values of a metric over two months, the second of which is not over; None is null for a reason."""
    reasons = Reasons()
    code = reasons.code("there is no rate")
    grid = np.array([[Decimal(number or 0) for number in row] for row in numbers], dtype=object)
    codes = np.array([[0 if number is not None else code for number in row] for row in numbers], dtype=np.int32)
    series = Series(grid, codes)
    if mark:
        series.marks[mark] = np.array([[True] * len(keys), [place % 2 == 0 for place in range(len(keys))]])
    metric = builtin_catalogue().metric("mrr")
    return Result(Request("mrr", MONTHS, by=by), metric, {}, list(keys), series, reasons)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("12.34", "12.340000000000"),
        ("0.00000000000050", "0.000000000000"),
        ("0.00000000000150", "0.000000000002"),
        ("-0.00000000000250", "-0.000000000002"),
        ("0.00000000000151", "0.000000000002"),
        ("0.3333333333333333333333333333333333333333", "0.333333333333"),
        ("0.0000000000025000000000000000000000000001", "0.000000000003"),
        ("99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999"),
        ("1E+3", "1000.000000000000"),
    ],
)
def test_values_are_rounded_once_to_twelve_places(number: str, expected: str) -> None:
    """A tie goes to the even digit, more than a tie away from it; the widest number that fits is kept whole."""
    table = values_table(enumerate([result([[number], [None]], [()])]))
    assert [str(value) for value in table["value"].to_pylist()] == [str(Decimal(expected)), "None"]


def test_integers_and_quotients_are_published_like_decimals() -> None:
    """A sum, a quotient of sums with both parts, and the same as decimals are the same columns."""
    keys = [("EU",), ("US",)]
    above, below = Exact(np.array([[1, 20], [-5, 7]]), 2), Exact(np.array([[3, 7], [3, 10**15]]))
    asked = [result([["0", "0"], ["0", None]], keys, ("region",)) for _ in range(2)]
    for one, numbers in zip(asked, (above / below, above.decimals() / below.decimals()), strict=True):
        one.series = Series(numbers, one.series.codes)
        known = np.zeros_like(one.series.codes)
        one.numerator, one.denominator = Series(above, known), Series(below, known)
    asked[1].numerator, asked[1].denominator = (
        Series(numbers.decimals(), np.zeros((2, 2), dtype=np.int32)) for numbers in (above, below)
    )
    table = values_table(enumerate(asked))
    assert table.slice(0, 4).equals(table.slice(4, 4))
    assert [str(value) for value in table["value"].to_pylist()[:4]] == [
        *("0.003333333333", "0.028571428571", "-0.016666666667", "None")
    ]


def test_each_value_stands_beside_its_period_key_reason_and_marks() -> None:
    """Months by keys: January first; February is not over, has a value that cannot be told, and one that ripens."""
    table = values_table(
        enumerate([result([["1", "2"], ["3", None]], [("EU",), ("US",)], ("region",), "still ripening")])
    )
    rows = [tuple(row[name] for name in ("period", "dimension_value", "reason", "marks")) for row in table.to_pylist()]
    assert rows == [
        ("2025-01", "EU", "", "still ripening"),
        ("2025-01", "US", "", "still ripening"),
        ("2025-02", "EU", "", "to date, still ripening"),
        ("2025-02", "US", "there is no rate", "to date"),
    ]
    assert table["value"].to_pylist() == [1, 2, 3, None]
    assert set(table["dimension"].to_pylist()) == {"region"}


def test_results_of_the_same_periods_and_keys_do_not_mix() -> None:
    """Two results of one cut, one of another and one of none keep their own rows, in their order."""
    split, keys = ("region",), [("EU",), ("US",)]
    asked = [
        result([["1", "2"], ["3", "4"]], keys, split),
        result([["5"], ["6"]], [()]),
        result([["7", "8"], ["9", "10"]], keys, ("segment",), "few"),
        result([["11", "12"], ["13", "14"]], keys, split),
    ]
    table = values_table(enumerate(asked))
    assert table["value"].to_pylist() == list(range(1, 15))
    assert table["dimension"].to_pylist() == ["region"] * 4 + [""] * 2 + ["segment"] * 4 + ["region"] * 4
    assert table["marks"].to_pylist() == [
        *["", "", "to date", "to date"],
        *["", "to date"],
        *["few", "few", "to date, few", "to date"],
        *["", "", "to date", "to date"],
    ]
    assert table["period_end"].to_pylist()[:3] == [date(2025, 2, 1), date(2025, 2, 1), date(2025, 3, 1)]


def test_more_rows_than_a_group_are_all_written(tmp_path: Path) -> None:
    """A cut with so many keys that its values fill more than one group of rows reads back as it was worked out."""
    keys = [(f"o'key {place}",) for place in range(ROW_GROUP)]
    numbers: list[list[str | None]] = [[str(place) for place in range(len(keys))], [None] * len(keys)]
    path = tmp_path / "values.duckdb"
    publish(Built(values_table(enumerate([result(numbers, keys, ("account_id",))])), 1, {}), path, {})
    rows = {
        (row["period"], row["dimension_value"]): row["value"]
        for row in Published(path).values("mrr", "month", "account_id")
    }
    assert rows == {("2025-01", key): Decimal(place) for place, (key,) in enumerate(keys)} | {
        ("2025-02", key): None for (key,) in keys
    }


def periods_of(path: Path) -> list[str]:
    """The periods of a published file, as another program reads them: in order, and as texts."""
    with duckdb.connect(str(path), read_only=True) as connection:
        listed = connection.execute("SELECT period FROM metric_values WHERE metric = 'mrr' ORDER BY period DESC")
        return [period for (period,) in listed.fetchall()]


def test_a_published_file_reads_as_text_and_in_order(tmp_path: Path) -> None:
    """Texts that are kept as enumerations compare and sort as texts; one that does not occur finds nothing."""
    path = tmp_path / "values.duckdb"
    publish(Built(values_table(enumerate([result([["1"], ["2"]], [()])])), 1, {}), path, {"as_of": "2025-02-14"})
    published = Published(path)
    assert [row["value"] for row in published.values("mrr", "month")] == [1, 2]
    assert published.values("no_such_metric", "month") == published.values("mrr", "day") == []
    assert periods_of(path) == ["2025-02", "2025-01"]
    publish(Built(SCHEMA.empty_table(), 0, {"mrr": "nothing was loaded"}), path, {})
    assert (periods_of(path), published.facts()) == ([], {})
