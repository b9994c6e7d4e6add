"""Exact numbers: arithmetic and rounding of whole columns, against fractions, within machine words and beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from revgauge.catalogue.exact import ROOM, Exact

WIDEST = 10**38 - 1
"""The largest integer of 38 digits, which a decimal of the database may have."""
WORD = 2**63
"""The first integer that is no machine word."""

small = st.integers(-(10**6), 10**6)
around_a_word = st.integers(-3, 3).map(lambda step: WORD + step) | st.integers(-3, 3).map(lambda step: step - WORD)
within_a_word = st.integers(1 - int(ROOM), int(ROOM) - 1)
wide = st.integers(-WIDEST, WIDEST)
units = small | within_a_word | wide
"""Integers of every size that the arithmetic treats in its own way."""
NUMBER = pa.decimal128(38, 12)
places = st.integers(0, 14)
columns = st.lists(st.none() | small) | st.lists(st.none() | small | around_a_word | wide)


def decimals(units: Sequence[int | None], scale: int) -> list[Decimal | None]:
    """Integers of a scale as decimals."""
    with localcontext(prec=60):
        return [None if unit is None else Decimal(unit).scaleb(-scale) for unit in units]


def column(units: Sequence[int | None], scale: int, cut: int) -> pa.ChunkedArray:
    """A column of decimals as the database gives it: in two pieces, of which the second is a part of a longer one."""
    kind = pa.decimal128(38, scale)
    first, second = decimals(units[:cut], scale), decimals([7, *units[cut:], -7], scale)
    return pa.chunked_array([pa.array(first, kind), pa.array(second, kind).slice(1, len(units) - cut)], kind)


def fractions(numbers: Any) -> list[Fraction]:
    """Decimals as fractions."""
    return [Fraction(number) for number in numbers]


@given(columns, places, st.integers(0, 5))
@example([WORD - 1, 1, None], 2, 1)
@example([2**62, 2**62], 0, 1)
@example([WIDEST, WIDEST, -WIDEST], 14, 2)
def test_running_totals_are_those_of_fractions(units: list[int | None], scale: int, cut: int) -> None:
    """Sums of a column, with empty cells and both signs, are exact whether they fit a machine word or not."""
    read = Exact.read(column(units, scale, min(cut, len(units))))
    expected = [Fraction(0)]
    for unit in units:
        expected.append(expected[-1] + Fraction(unit or 0, 10**scale))
    assert fractions(read.added_up().decimals()) == expected


def exact(units: Sequence[int], scale: int) -> Exact:
    """Integers of a scale, in machine words if each of them is one."""
    words = all(abs(unit) < ROOM for unit in units)
    return Exact(np.array(units, dtype=np.int64 if words else object), scale)


@given(st.lists(units, min_size=1), st.lists(units, min_size=1), places, places)
@example([2**62 - 1], [2**62 - 1], 0, 0)
@example([2**62 - 1], [1 - 2**62], 3, 0)
@example([2**31], [-(2**31)], 14, 14)
def test_arithmetic_of_different_places_is_that_of_fractions(
    one: list[int], other: list[int], scale: int, other_scale: int
) -> None:
    """Sums, differences and products of numbers with different places lose nothing."""
    size = min(len(one), len(other))
    left, right = exact(one[:size], scale), exact(other[:size], other_scale)
    pairs = [(Fraction(a, 10**scale), Fraction(b, 10**other_scale)) for a, b in zip(one, other, strict=False)]
    assert fractions((left + right).decimals()) == [a + b for a, b in pairs]
    assert fractions((left - right).decimals()) == [a - b for a, b in pairs]
    assert [Fraction(int(unit), 10 ** (scale + other_scale)) for unit in (left * right).units] == [
        a * b for a, b in pairs
    ]
    assert fractions((-left).decimals()) == [-a for a, _ in pairs]


@given(st.lists(within_a_word | small), places)
@example([2**61] * 8, 2)
def test_running_totals_may_leave_machine_words(units: list[int], scale: int) -> None:
    """Words whose sum is no word any more are added up all the same."""
    totals = [sum(units[:count]) for count in range(len(units) + 1)]
    assert exact(units, scale).added_up().units.tolist() == totals


@given(st.lists(units, min_size=1), st.integers(0, 40), st.integers(0, 14))
@example([5, 15, 25, -5, -15, 51, 49, -51], 1, 0)
@example([5 * 10**19, 15 * 10**19, 10**19], 20, 0)
def test_numbers_are_rounded_half_to_even(units: list[int], scale: int, kept: int) -> None:
    """Fewer places are those that a fraction is rounded to; places that are not there are not added."""
    rounded = exact(units, scale).rounded(kept)
    assert rounded.places == min(scale, kept)
    found = [Fraction(int(unit), 10**rounded.places) for unit in rounded.units]
    assert found == [round(Fraction(unit, 10**scale), kept) for unit in units]


@given(
    st.lists(units, min_size=1),
    st.lists(units.map(lambda unit: abs(unit) + 1), min_size=1),
    st.none() | st.lists(small | wide, min_size=1),
    places,
    places,
)
@example([1, 3, 5, -1, -3, 2], [2 * 10**12] * 6, None, 0, 0)
@example([1, 3, -1], [2 * 10**12] * 3, [1, 10**12, 3], 0, 12)
@example([2, 1], [3, 3], [-1, 1], 0, 0)
@example([10**15, 7], [3, 10**15], None, 0, 0)
def test_a_quotient_is_rounded_once(
    above: list[int], below: list[int], plus: list[int] | None, scale: int, other_scale: int
) -> None:
    """A quotient, and one to which something is added, is rounded half to even from its whole expansion."""
    size = min(len(above), len(below), len(plus or above))
    quotient = exact(above[:size], scale) / exact(below[:size], other_scale)
    expected = [
        Fraction(a, 10**scale) / Fraction(b, 10**other_scale) for a, b in zip(above[:size], below[:size], strict=True)
    ]
    if plus is not None:
        more = [Fraction(unit, 10**other_scale) for unit in plus[:size]]
        turned = (exact(plus[:size], other_scale) - quotient).rounded(12)
        assert [Fraction(int(unit), 10**turned.places) for unit in turned.units] == [
            round(c - q, 12) for q, c in zip(expected, more, strict=True)
        ]
        quotient += exact(plus[:size], other_scale)
        expected = [q + c for q, c in zip(expected, more, strict=True)]
    rounded = quotient.rounded(12)
    assert [Fraction(int(unit), 10**rounded.places) for unit in rounded.units] == [round(q, 12) for q in expected]


def test_a_quotient_as_a_decimal_has_fifty_digits() -> None:
    """Two thirds have fifty digits; what is added comes after that."""
    two, three, one = (exact([number], 0) for number in (2, 3, 1))
    assert (two / three).decimals().tolist() == [Decimal("0." + "6" * 49 + "7")]
    assert (one - two / three).decimals().tolist() == [Decimal("0." + "3" * 49 + "3")]


@given(st.lists(st.none() | small | within_a_word | st.integers(-(10**26), 10**26)), places)
@example([None, 5, 15, -5, -15, 1], 13)
@example([2**62, -(2**62), 10**25, None], 0)
def test_a_column_is_the_one_of_its_decimals(units: list[int | None], scale: int) -> None:
    """The column made from integers is the one that Arrow makes of the decimals, rounded; empty cells are empty."""
    listed = [None if unit is None else round(Fraction(unit, 10**scale), 12) for unit in units]
    with localcontext(prec=60):
        rounded = [None if number is None else Decimal(number.numerator) / number.denominator for number in listed]
    missing = np.array([unit is None for unit in units], dtype=bool)
    column = exact([unit or 0 for unit in units], scale).column(NUMBER, missing)
    column.validate(full=True)
    assert column.equals(pa.array(rounded, NUMBER))


@pytest.mark.parametrize("number", [10**26, -(10**26)])
def test_what_a_column_has_no_room_for_is_refused(number: int) -> None:
    """Of 38 digits twelve are places, so a number of 27 digits before the point does not fit."""
    with pytest.raises(pa.ArrowInvalid, match="does not fit"):
        exact([number, 1], 0).column(NUMBER, np.array([False, False]))
    with pytest.raises(pa.ArrowInvalid, match="does not fit"):
        (exact([number, 1], 0) / exact([1, 1], 0)).column(NUMBER, np.array([False, False]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([3, None, -5], pa.int64()), [3, 0, -5]),
        (pa.array([WORD - 1, WORD - 1, None], pa.int64()), [WORD - 1, WORD - 1, 0]),
        (pa.array([2, None], pa.int32()), [2, 0]),
        (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, 0]),
        (pa.array([0.1, None, 1e30], pa.float64()), [Decimal("0.1"), 0, Decimal("1e30")]),
        (pa.array([], pa.decimal128(38, 6)), []),
    ],
)
def test_counts_and_floating_point_numbers_are_read_too(values: pa.Array, expected: list[Any]) -> None:
    """Counts of any width come as they are, floating-point numbers as the shortest decimal that stands for them."""
    read = Exact.read(pa.chunked_array([values]))
    assert read.decimals().tolist() == expected
    assert sum(fractions(expected)) == fractions(read.added_up().decimals())[-1]


def test_numbers_that_fit_are_machine_words_and_others_are_not() -> None:
    """Money of ordinary size is added in machine words; two of 2**62 could leave them and are Python integers."""
    assert Exact.read(column([10**12, -(10**12)], 6, 1)).units.dtype == np.int64
    assert Exact.read(column([2**62, 2**62], 6, 1)).units.dtype == object


@given(st.lists(st.none() | small | st.integers(-(10**37), 10**37)), places, st.integers(0, 12))
def test_places_that_no_number_uses_are_left_out(units: list[int | None], scale: int, spare: int) -> None:
    """A column with zeros in the last places is read as one without these places, and is the same numbers."""
    kept = [None if unit is None else unit // 10**spare for unit in units]
    listed = [None if unit is None else unit * 10**spare for unit in kept]
    read = Exact.read(column(listed, scale + spare, len(units) // 2))
    assert read.places <= scale + spare - min(spare, 9)
    assert fractions(read.decimals()) == [Fraction(unit or 0, 10**scale) for unit in kept]


def test_money_of_many_places_fits_machine_words() -> None:
    """A sum of 12,345,678,901.234 has 25 digits with fourteen places; nine are left out, and 16 digits are a word."""
    read = Exact.read(column([1234567890123400000000000, -(10**12), None], 14, 1))
    assert read.units.dtype == np.int64
    assert (read.units.tolist(), read.places) == ([1234567890123400, -1000, 0], 5)


def test_zero_has_no_places_and_other_numbers_share_theirs() -> None:
    """Nothing is written as 0, whatever the scale of the column; 1.50 has two places beside 1.25, and one alone."""
    assert [str(number) for number in Exact.read(column([0, 150, 125, None], 2, 1)).decimals()] == [
        *("0", "1.50", "1.25", "0")
    ]
    assert [str(number) for number in Exact.read(column([0, 150], 2, 1)).decimals()] == ["0", "1.5"]
