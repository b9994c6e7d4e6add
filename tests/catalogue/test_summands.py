"""Summands: sums under many conditions, told apart by a number of each row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis import _

from revgauge.catalogue.buckets import Keyed, Sums
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.spans import Days
from revgauge.catalogue.summands import BITS, Summands

KINDS = ("new", "lost", "kept")
ALWAYS = [Days(None, date(2025, 1, 1))]
WAREHOUSE = Warehouse.in_memory()

rows = st.lists(
    st.tuples(
        st.sampled_from(KINDS) | st.none(), st.booleans() | st.none(), st.decimals(-99, 99, places=2) | st.none()
    ),
    min_size=1,
    max_size=12,
)
MANY = [
    ("amount", _.kind == "new"),
    ("amount", _.kind == "lost"),
    ("amount", _.kind.isin(["new", "kept"])),
    ("amount", _.first),
    (None, _.first & (_.kind == "new")),
    (None, ~_.first),
    ("amount", None),
    (None, None),
]
"""What is added up (none: rows are counted), and where."""


def holds(place: int, kind: str | None, *, first: bool | None) -> bool:
    """Whether a row meets the condition of a place of MANY; what is not known is not met."""
    return (
        kind == "new",
        kind == "lost",
        kind in ("new", "kept"),
        first is True,
        first is True and kind == "new",
        first is False,
        True,
        True,
    )[place]


def summed(listed: Sequence[tuple[Any, ...]], asked: Sequence[tuple[Any, Any]]) -> tuple[list[Decimal], Summands]:
    """What a pass adds up, and how."""
    columns = {"kind": "string", "first": "boolean", "amount": "decimal(18, 2)"}
    table = WAREHOUSE.literal_table(columns, listed)
    sums = Summands(table, asked)
    wanted = [sums.of(value, where) for value, where in asked]
    always = {"bucket": 0, **sums.keys}
    found = WAREHOUSE.fetch(table.group_by(**always).aggregate(**sums.aggregates))
    laid = Sums(Keyed(found, [()]), [], by_currency=False)
    return [laid.over(summand, ALWAYS, np.arange(1)).decimals()[0, 0] for summand in wanted], sums


@given(rows)
def test_a_sum_under_a_condition_is_that_of_the_rows_that_meet_it(listed: list[tuple[Any, ...]]) -> None:
    """Conditions may hold together and may be unknown; each sum has just the rows of which its own one is true."""
    found, sums = summed(listed, MANY)
    assert set(sums.keys) == {"met"}
    assert len(sums.aggregates) == 2  # the amounts, and the rows
    for place, (value, _where) in enumerate(MANY):
        mine = [row for row in listed if holds(place, row[0], first=row[1])]
        expected = len(mine) if value is None else sum((row[2] or 0 for row in mine), Decimal(0))
        assert found[place] == expected


def test_few_sums_are_taken_as_they_are() -> None:
    """Where as many sums would be left, rows are not told apart."""
    found, sums = summed([("new", True, Decimal(2)), ("lost", None, Decimal(3))], MANY[:1])
    assert sums.keys == {}
    assert found == [Decimal(2)]


@pytest.mark.parametrize("count", [14, 17, BITS, BITS + 1])
def test_many_conditions(count: int) -> None:
    """A number of two bytes tells fifteen conditions, one of eight sixty-two; more are not told by a number."""
    asked = [("amount", _.amount > number) for number in range(count)]
    found, sums = summed([("new", True, Decimal("3.50")), ("new", True, Decimal(20))], asked)
    expected = [Decimal("23.50") if number < 3.5 else Decimal(20) if number < 20 else 0 for number in range(count)]
    assert found == expected
    assert bool(sums.keys) == (count <= BITS)
