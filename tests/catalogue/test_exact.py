"""Exact numbers: sums and products of whole columns, against fractions, within machine words and beyond them."""

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

from revgauge.catalogue.exact import Exact

WIDEST = 10**38 - 1
"""The largest integer of 38 digits, which a decimal of the database may have."""
WORD = 2**63
"""The first integer that is no machine word."""

small = st.integers(-(10**6), 10**6)
around_a_word = st.integers(-3, 3).map(lambda step: WORD + step) | st.integers(-3, 3).map(lambda step: step - WORD)
wide = st.integers(-WIDEST, WIDEST)
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


@given(st.lists(small, min_size=1), st.lists(wide, min_size=1), places, places)
def test_arithmetic_of_different_places_is_that_of_fractions(
    one: list[int], other: list[int], scale: int, other_scale: int
) -> None:
    """Sums, differences and products of numbers with different places lose nothing."""
    size = min(len(one), len(other))
    left = Exact.of([number or Decimal(0) for number in decimals(one[:size], scale)])
    right = Exact.of([number or Decimal(0) for number in decimals(other[:size], other_scale)])
    pairs = [(Fraction(a, 10**scale), Fraction(b, 10**other_scale)) for a, b in zip(one, other, strict=False)]
    assert fractions((left + right).decimals()) == [a + b for a, b in pairs]
    assert fractions((left - right).decimals()) == [a - b for a, b in pairs]
    product = Exact(left.units[:, np.newaxis], left.places).times(right)
    assert fractions(product.decimals()[:, 0]) == [a * b for a, b in pairs]


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


def test_zero_has_no_places_and_other_numbers_keep_theirs() -> None:
    """Nothing is written as 0, whatever the scale of the column; 1.50 keeps its two places."""
    assert [str(number) for number in Exact.read(column([0, 150, None], 2, 1)).decimals()] == ["0", "1.50", "0"]
