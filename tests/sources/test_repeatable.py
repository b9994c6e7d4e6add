"""A load is a function of the rows: order, split into files and repetition change nothing, and no row is lost."""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sources.helpers import load_now, make_project, query

from revgauge.model.store import fingerprint

HEADER = "opportunity_id,amount,currency,created_at,expected_close_on,is_won\n"
MAPPING = "source: crm\nfiles: {data: deals*.csv}\nentities:\n  opportunities: {from: data}\n"

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", "Grand Total", ""]),
        st.sampled_from(["1.50", "2,75", "-3", "$4.00", "1.000", "free", ""]),
        st.sampled_from(["USD", "EUR", "usd", ""]),
        st.sampled_from(["2024-01-05T09:00:00Z", "2024-01-05", "2024-01-05 09:00:00", "05/06/2024", "25/06/2024", ""]),
        st.sampled_from(["2024-03-01", "01.02.2024", "13.02.2024", "soon", ""]),
        st.sampled_from(["true", "no", "maybe", ""]),
    ),
    min_size=1,
    max_size=12,
)


SEARCH = os.environ.get("HYPOTHESIS_PROFILE") == "search"
"""Somebody looks for new cases and has time."""


def write(folder: Path, files: list[list[tuple[str, ...]]]) -> Path:
    """A project with the rows in these files."""
    contents: dict[str, str | bytes | Path] = {}
    for number, rows in enumerate(files):
        lines = [",".join(f'"{cell}"' for cell in row) for row in rows]
        contents[f"deals{number}.csv"] = HEADER + "\n".join(lines) + "\n"
    return make_project(folder, MAPPING, contents)


@pytest.mark.slow
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, data=st.data())
def test_order_and_split_do_not_matter(rows: list[tuple[str, ...]], data: st.DataObject) -> None:
    """Shuffled, and cut into up to three files, the rows give the same store; loading twice changes nothing (P1)."""
    check_order_and_split(rows, data)


@pytest.mark.slow
@settings(max_examples=200 if SEARCH else 40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, data=st.data())
def test_order_and_split_do_not_matter_in_many_cases(rows: list[tuple[str, ...]], data: st.DataObject) -> None:
    """The same in more cases; with `HYPOTHESIS_PROFILE=search` in two hundred."""
    check_order_and_split(rows, data)


def check_order_and_split(rows: list[tuple[str, ...]], data: st.DataObject) -> None:
    """Load the rows whole and shuffled in pieces, and compare the stores."""
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=2)))
    places = [0, *cuts, len(rows)]
    parts = [shuffled[start:end] for start, end in pairwise(places)]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole = write(Path(one), [rows])
        split = write(Path(other), parts)
        first, second = load_now(whole), load_now(split)
        assert first.ok == second.ok
        assert fingerprint(whole) == fingerprint(split)
        before = fingerprint(whole)
        load_now(whole)
        assert fingerprint(whole) == before


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_every_row_is_accounted_for(rows: list[tuple[str, ...]]) -> None:
    """Loaded, rejected and skipped rows add up to the rows that are not blank, and each rejection has a reason (P4)."""
    with tempfile.TemporaryDirectory() as folder:
        project = write(Path(folder), [rows])
        report = load_now(project)
        if not report.ok:
            assert report.problems
            return
        total = report.entities[0]
        assert total.rows_read == sum(any(row) for row in rows)
        assert total.rows_loaded + total.rows_rejected + total.rows_skipped == total.rows_read
        assert query(project, "SELECT count(*) FROM opportunities") == [(total.rows_loaded,)]
        told = query(project, "SELECT count(DISTINCT row_number) FROM quarantine WHERE severity = 'error'")
        assert told == [(total.rows_rejected,)]


def test_the_log_of_loads_grows_by_one(tmp_path: Path) -> None:
    """Each load leaves one line per entity in `source_loads`, and the same moment is not written twice."""
    project = write(tmp_path, [[("a", "1.50", "USD", "2024-01-05", "", "")]])
    load_now(project)
    load_now(project)
    expected = [("crm", "opportunities", 1, 0)]
    assert query(project, "SELECT source, entity, rows_read, rows_rejected FROM source_loads") == expected
