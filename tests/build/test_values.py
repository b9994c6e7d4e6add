"""What a build publishes: the values that are computed when asked for, the same ones every time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tests.build.company import EARLY, LATE, Rows, company, published, workspace

from revgauge.catalogue.published import NUMBER
from revgauge.model.store import HOME
from revgauge.workspace import VALUES, Workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The company, built on the later day; tests only ask it."""
    found = workspace(company(tmp_path_factory.mktemp("built")), LATE)
    found.build()
    return found


def test_a_build_over_unchanged_data_gives_the_same_values(tmp_path: Path, undisturbed: dict[date, Rows]) -> None:
    """Built again, and in another folder, every published value is the same, under a build_id of its own."""
    folder = company(tmp_path)
    first = workspace(folder, LATE).build()
    values = published(folder)[1]
    second = workspace(folder, LATE).build()
    assert published(folder)[1] == values == undisturbed[LATE]
    assert undisturbed[LATE] != undisturbed[EARLY]
    assert first.build_id != second.build_id
    assert (first.metrics, first.values) == (second.metrics, second.values)
    assert first.values == len(values)


@pytest.mark.parametrize(
    "metric", ["mrr", "active_customers", "expansion_mrr", "quick_ratio", "gross_revenue_retention"]
)
@pytest.mark.parametrize("by", [(), ("account_id",)])
def test_published_values_are_those_computed_when_asked(built: Workspace, metric: str, by: tuple[str, ...]) -> None:
    """Every published value of a metric, in all and by account, is what `show` computes, with its reason."""
    rows = built.published.values(metric, "month", by[0] if by else "")
    assert [row["period"] for row in rows if not by] == ([] if by else ["2025-01", "2025-02", "2025-03"])
    shown = {
        (value.period.label, value.dimensions.get("account_id", "")): value
        for value in built.show(metric, grain="month", by=by).values
    }
    assert rows
    for row in rows:
        value = shown[row["period"], row["dimension_value"]]
        assert row["value"] == (None if value.value is None else value.value.quantize(Decimal(1).scaleb(-NUMBER.scale)))
        assert row["reason"] == value.reason
        assert row["marks"] == ", ".join(value.marks)


def test_published_mrr_is_what_the_files_say(built: Workspace) -> None:
    """In month m account n pays 10 + n + m, so 40 accounts pay 400 + 780 + 40 m: 1220, 1260 and 1300."""
    rows = built.published.values("mrr", "month")
    assert [row["value"] for row in rows] == [Decimal(1220), Decimal(1260), Decimal(1300)]
    (quarter,) = built.published.values("expansion_mrr", "quarter")
    assert quarter["value"] == Decimal(80), "each of 40 accounts pays 1 more in February and in March"
    last = built.published.values("mrr", "month", "account_id")
    assert {row["dimension_value"] for row in last} == {f"a{number}" for number in range(40)}
    assert [row["value"] for row in last if row["period"] == "2025-03" and row["dimension_value"] == "a39"] == [52]


def test_a_build_says_what_it_is(built: Workspace) -> None:
    """The facts of a build name its day, its moment, the load it read and the currency of its money."""
    facts = built.published.facts()
    assert facts["as_of"] == "2025-03-31"
    assert facts["built_at"] == "2025-04-01T06:00:00+00:00"
    assert facts["reporting_currency"] == "USD"
    assert facts["build_id"].startswith("20250401T060000Z-")
    assert facts["store"]


def test_what_cannot_be_computed_is_published_with_its_reason(built: Workspace) -> None:
    """A metric whose data were never loaded has null values that say so, and the report of the build lists it."""
    rows = built.published.values("win_rate", "month")
    assert rows
    assert {row["value"] for row in rows} == {None}
    assert all("opportunities was never loaded" in row["reason"] for row in rows)


def test_a_reader_that_is_not_done_does_not_hold_back_the_next(tmp_path: Path) -> None:
    """While a reader of an older build is still at work, the next reader in the same process sees the new one."""
    folder = company(tmp_path)
    first = workspace(folder, LATE).build()
    with duckdb.connect(str(folder / HOME / VALUES), read_only=True) as still_reading:
        second = workspace(folder, LATE).build()
        old = still_reading.execute("SELECT value FROM build WHERE name = 'build_id'").fetchall()
        new = workspace(folder, LATE).published.facts()["build_id"]
    assert (old, new) == ([(first.build_id,)], second.build_id)


def test_a_build_reads_what_was_loaded_and_not_what_is_published(tmp_path: Path) -> None:
    """A build of another day replaces the values as a whole: no value of the later day is left."""
    folder = company(tmp_path)
    workspace(folder, LATE).build()
    workspace(folder, EARLY).build()
    facts, rows = published(folder)
    assert facts["as_of"] == EARLY.isoformat()
    assert rows
    assert "2025-03" not in {row[2] for row in rows}
