"""Buckets: rows by cut and key, and the sum of any span as a difference of running totals."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revgauge.catalogue.buckets import FEW, Dimensions, Keyed, Summand, Sums, bucket, days_of
from revgauge.catalogue.codes import worded
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.spans import Days

FIRST = date(2025, 1, 1)
CUTS: tuple[Dimensions, ...] = ((), ("region",), ("plan", "region"), ("region", "plan"))

days = st.integers(0, 40).map(lambda number: FIRST + timedelta(days=number))
amounts = st.decimals("-1e20", "1e20", places=6) | st.none()
rows = st.lists(
    st.fixed_dictionaries(
        {
            "day": days,
            "cut_region": st.sampled_from(["EU", "US", "Ä", "unknown"]),
            "cut_plan": st.sampled_from(["basic", "pro"]),
            "in_currency": st.sampled_from(["EUR", "USD", None]),
            "value": amounts,
        }
    ),
    max_size=12,
)
spans = st.lists(st.tuples(st.none() | days, days).map(lambda ends: Days(*ends)), min_size=1, max_size=5)


def grouped(listed: list[dict[str, Any]], cuts: tuple[Dimensions, ...], edges: list[date]) -> pa.Table:
    """Each row once for every different set of dimensions, as the database gives them: the others are empty."""
    kinds = {"cut_region": pa.string(), "cut_plan": pa.string(), "in_currency": pa.string()}
    found = []
    for cut in {frozenset(cut) for cut in cuts}:
        for row in listed:
            kept = {name: row[name] if name[4:] in cut else None for name in ("cut_region", "cut_plan")}
            bucket = sum(row["day"] >= edge for edge in edges) if len(edges) <= FEW else row["day"]
            found.append({**row, **kept, "bucket": bucket})
    schema = pa.schema(
        {**kinds, "value": pa.decimal128(38, 6), "bucket": pa.int64() if len(edges) <= FEW else pa.date32()}
    )
    halves = [pa.Table.from_pylist(found[start::2], schema=schema) for start in (0, 1)]
    return pa.concat_tables(halves)


def edges_of(asked: list[Days]) -> list[date]:
    """The days on which a span begins, or the first day after it."""
    ends = {days.last + timedelta(days=1) for days in asked}
    return sorted(ends | {days.first for days in asked if days.first is not None})


def holds(span: Days, day: date) -> bool:
    """Whether a span holds a day."""
    return (span.first is None or span.first <= day) and day <= span.last


@given(rows, spans)
def test_the_sum_of_a_span_is_that_of_its_rows(listed: list[dict[str, Any]], asked: list[Days]) -> None:
    """By each key of each cut, in each currency and in all, a span sums the rows of its days: no more and no fewer."""
    edges = edges_of(asked)
    keyed = Keyed(grouped(listed, CUTS, edges), CUTS)
    sums = Sums(keyed, edges, by_currency=True)
    assert sums.currencies == sorted({row["in_currency"] or "unknown" for row in listed})
    for currency in (None, *sums.currencies):
        found = sums.over(Summand("value"), asked, np.arange(keyed.width), currency).decimals()
        for cut in CUTS:
            for column, key in enumerate(keyed.keys(cut), keyed.columns(cut).start):
                mine = [
                    row
                    for row in listed
                    if tuple(row[f"cut_{name}"] for name in cut) == key
                    and currency in (None, row["in_currency"] or "unknown")
                ]
                for place, span in enumerate(asked):
                    expected = sum((row["value"] or 0 for row in mine if holds(span, row["day"])), Decimal(0))
                    assert found[place, column] == expected


@given(rows)
def test_keys_are_those_that_there_are_in_order(listed: list[dict[str, Any]]) -> None:
    """The keys of a cut are the different values of its dimensions, sorted; a whole has one key also without rows."""
    keyed = Keyed(grouped(listed, CUTS, []), CUTS)
    assert keyed.keys(()) == [()]
    for cut in CUTS[1:]:
        assert keyed.keys(cut) == sorted({tuple(row[f"cut_{name}"] for name in cut) for row in listed})
    assert keyed.width == sum(len(keyed.keys(cut)) for cut in CUTS)
    assert [keyed.columns(cut).start for cut in CUTS[1:]] == [keyed.columns(cut).stop for cut in CUTS[:-1]]


@given(rows)
def test_words_that_stand_for_numbers_are_told_like_others(listed: list[dict[str, Any]]) -> None:
    """Columns in which numbers stand for words, some of which do not occur, have the same keys, places and words."""
    words = {"cut_region": ("nowhere", "US", "Ä", "unknown", "EU"), "cut_plan": ("pro", "free", "basic")}
    words["in_currency"] = ("USD", "GBP", "EUR")
    plain = grouped(listed, CUTS, [])
    numbers = {name: pc.index_in(plain[name], pa.array(known)) for name, known in words.items()}
    coded = plain
    for name, column in numbers.items():
        coded = coded.set_column(coded.column_names.index(name), name, column)
    one, other = Keyed(plain, CUTS), Keyed(worded(coded, words), CUTS)
    assert [one.keys(cut) for cut in CUTS] == [other.keys(cut) for cut in CUTS]
    assert one.places.tolist() == other.places.tolist()
    (texts, places), (others, other_places) = one.words("in_currency"), other.words("in_currency")
    assert (texts, places.tolist()) == (others, other_places.tolist())


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_alone_has_all_rows(cut: Dimensions) -> None:
    """Where one cut was asked for no row is left out."""
    listed = [{"day": FIRST, "cut_region": "EU", "cut_plan": "pro", "in_currency": "EUR", "value": Decimal(2)}] * 3
    keyed = Keyed(grouped(listed, (cut,), []), (cut,))
    (total,) = Sums(keyed, [], by_currency=False).over(Summand("value"), [Days(None, FIRST)], np.arange(1)).decimals()
    assert total.tolist() == [Decimal(6)]


@given(rows, spans)
def test_the_whole_is_what_the_parts_of_a_cut_add_up_to(listed: list[dict[str, Any]], asked: list[Days]) -> None:
    """Where no row of the whole was asked for, its sums are the same, made of the rows of one of the cuts."""
    edges = edges_of(asked)
    parts = tuple(cut for cut in CUTS if cut)
    whole = Keyed(grouped(listed, CUTS, edges), CUTS)
    made = Keyed(grouped(listed, parts, edges), CUTS, whole_of_parts=True)
    found = [
        Sums(keyed, edges, by_currency=True).over(Summand("value"), asked, np.arange(keyed.width)).decimals().tolist()
        for keyed in (whole, made)
    ]
    assert found[0] == found[1]
    assert [whole.keys(cut) for cut in CUTS] == [made.keys(cut) for cut in CUTS]


@given(st.lists(days, min_size=FEW + 1, max_size=12, unique=True), st.lists(days, min_size=1, max_size=8))
def test_a_bucket_holds_the_days_between_two_edges(edges: list[date], listed: list[date]) -> None:
    """However edges lie in their months, the day told for a bucket has the same edges before it as the row's own."""
    edges = sorted({*edges, date(2025, 2, 1), date(2025, 3, 1)})
    warehouse = WAREHOUSE
    table = warehouse.literal_table({"day": "date"}, [(day,) for day in listed])
    found = warehouse.fetch(table.select("day", bucket=bucket(table.day, edges)))
    told = days_of(found["bucket"].to_numpy(), edges).tolist()
    passed = [sum(edge <= day for edge in edges) for day in told]
    assert passed == [sum(edge <= day for edge in edges) for day in found["day"].to_pylist()]


@given(rows, spans)
def test_keys_that_come_up_later_are_none_of_a_question(listed: list[dict[str, Any]], asked: list[Days]) -> None:
    """A column has begun on a day if it has any row then or before: what zero means for it is known."""
    edges = edges_of(asked)
    keyed = Keyed(grouped(listed, CUTS, edges), CUTS)
    sums = Sums(keyed, edges, by_currency=True)
    for span in asked:
        begun = sums.begun(span.last)
        for column, key in enumerate(keyed.keys(("region",)), keyed.columns(("region",)).start):
            assert begun[column] == any(row["cut_region"] == key[0] and row["day"] <= span.last for row in listed)


WAREHOUSE = Warehouse.in_memory()
