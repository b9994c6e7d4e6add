"""Series: arithmetic over whole grids, exact, with each null passing on its reason."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from revgauge.catalogue.exact import Exact
from revgauge.catalogue.series import Reasons, Series, apply, combine

EMPTY = 9


def series(*rows: Sequence[str | None], code: int = 1) -> Series:
    """A grid of numbers written as text; None is null with the code."""
    numbers = [[Decimal(0) if cell is None else Decimal(cell) for cell in row] for row in rows]
    codes = [[0 if cell is not None else code for cell in row] for row in rows]
    return Series(np.array(numbers, dtype=object), np.array(codes, dtype=np.int32))


def told(found: Series) -> list[list[str | int]]:
    """Each cell as its number, or the code of its reason."""
    return [
        [int(code) if code else str(number) for number, code in zip(numbers, codes, strict=True)]
        for numbers, codes in zip(found.decimals, found.codes, strict=True)
    ]


def test_money_is_added_exactly() -> None:
    """A thousand times 0.1 is 100 and not 99.9999999999986, and a sum of 38 digits keeps them all."""
    grid = series(["0"])
    for _ in range(1000):
        grid = combine("+", grid, series(["0.1"]), EMPTY)
    assert told(grid) == [["100.0"]]
    wide = combine("+", series(["123456789012345678901234.12345678901234"]), series(["0.00000000000001"]), EMPTY)
    assert told(wide) == [["123456789012345678901234.12345678901235"]]


@pytest.mark.parametrize(("sign", "expected"), [("+", "8"), ("-", "4"), ("*", "12"), ("/", "3")])
def test_each_operation(sign: str, expected: str) -> None:
    """Six and two, cell by cell."""
    assert told(combine(sign, series(["6"]), series(["2"]), EMPTY)) == [[expected]]


def exact(*rows: Sequence[str | None], code: int = 1) -> Series:
    """The same grid with its numbers as integers."""
    known = series(*rows, code=code)
    flat = Exact.of(known.decimals.ravel().tolist())
    return Series(Exact(flat.units.reshape(known.codes.shape), flat.places), known.codes)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/"])
@pytest.mark.parametrize("next_sign", ["+", "-", "*", "/"])
def test_integers_give_what_decimals_give(sign: str, next_sign: str) -> None:
    """Every operation, and every one after it, has the same numbers and reasons whether it keeps integers or not."""
    one, other = ["6", "1.25", None, "-7", "2"], ["3", "0.75", "4", None, "0"]
    third = ["0.5", "1", "2", "3", "4"]
    first = combine(sign, exact(one), exact(other, code=2), EMPTY)
    same = combine(sign, series(one), series(other, code=2), EMPTY)
    for found, expected in [
        (first, same),
        (combine(next_sign, first, exact(third), 8), combine(next_sign, same, series(third), 8)),
        (combine(next_sign, exact(third), first, 8), combine(next_sign, series(third), same, 8)),
        (combine(next_sign, first, first, 8), combine(next_sign, same, same, 8)),
    ]:
        assert found.codes.tolist() == expected.codes.tolist()
        known = expected.codes == 0
        assert found.decimals[known].tolist() == expected.decimals[known].tolist()
        kind = pa.decimal128(38, 12)
        assert found.column(kind).equals(expected.column(kind))


def test_a_part_of_a_series_keeps_reasons_and_marks() -> None:
    """Of two months and two keys the second key, twice: its numbers, the reason of its null, and its mark."""
    grid = exact(["1", "2"], ["3", None])
    grid.marks["few"] = np.array([[True, False], [False, True]])
    found = grid[:, [1, 1]]
    assert told(found) == [["2", "2"], [1, 1]]
    assert found.marks["few"].tolist() == [[False, False], [True, True]]


def test_nothing_is_divided_by_zero_or_below() -> None:
    """A divisor of zero, or a negative one, gives null with its own reason, beside cells that have a value."""
    found = combine("/", series(["6", "6", "6"]), series(["2", "0", "-2"]), EMPTY)
    assert told(found) == [["3", EMPTY, EMPTY]]


def test_a_null_passes_on_its_reason() -> None:
    """The first reason stands: that of the left side, else of the right, and only then that nothing can be divided."""
    left, right = series([None, "6", None, "6"], code=1), series(["2", None, None, "0"], code=2)
    assert told(combine("/", left, right, EMPTY)) == [[1, 2, 1, EMPTY]]
    assert told(combine("+", left, right, EMPTY)) == [[1, 2, 1, "6"]]


def test_a_null_is_no_zero() -> None:
    """The zero that stands in the grid of a null never takes part."""
    found = combine("+", combine("*", series([None]), series(["5"]), EMPTY), series(["7"]), EMPTY)
    assert told(found) == [[1]]


def test_a_function_of_cells() -> None:
    """A function sees the numbers of one cell; None from it is null with its own reason, and nulls never reach it."""
    seen: list[tuple[Decimal, Decimal]] = []

    def larger(one: Decimal, other: Decimal) -> Decimal | None:
        seen.append((one, other))
        return max(one, other) if one != other else None

    found = apply(larger, [series(["1", "2", None, "3"]), series(["4", "2", "1", None], code=2)], EMPTY)
    assert told(found) == [["4", EMPTY, 1, 2]]
    assert seen == [(Decimal(1), Decimal(4)), (Decimal(2), Decimal(2))]


def test_marks_are_kept() -> None:
    """A mark of either side is a mark of the result."""
    left, right = series(["1"]), series(["2"])
    left.marks["few"] = np.array([[True]])
    right.marks["ripening"] = np.array([[False]])
    assert set(combine("+", left, right, EMPTY).marks) == {"few", "ripening"}


def test_a_reason_given_later_does_not_cover_an_earlier_one() -> None:
    """A condition makes null what stands, and leaves the reason of what is null already."""
    grid = series(["1", None, "3"]).with_reason(np.array([[True, True, False]]), EMPTY)
    assert told(grid) == [[EMPTY, 1, "3"]]


def test_a_reason_has_one_code() -> None:
    """The same text has the same code, another another, and no reason is code 0."""
    reasons = Reasons()
    first, second = reasons.code("no rate"), reasons.code("no rows")
    assert first != second
    assert reasons.code("no rate") == first
    assert reasons.code("") == 0
    assert [reasons.text(code) for code in (0, first, second)] == ["", "no rate", "no rows"]


def test_grids_of_one_number_and_of_null() -> None:
    """A grid may be filled with one number, or with null for one reason."""
    assert told(Series.full((1, 2), Decimal(5))) == [["5", "5"]]
    assert told(Series.null((2, 1), 4)) == [[4], [4]]
