"""What has not changed is not computed again, and the values are those of a build from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.build.company import LATE, company, published, workspace
from tests.oracle.generate import REPORTING_CURRENCY, World, now_of, sales_world, subscription_world, write_tables

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Recall, Step, Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.metrics import builtin_catalogue
from revgauge.model.entities import ENTITIES
from revgauge.model.store import META_TABLES, version_of
from revgauge.sources.canonical import read_case_tables

CATALOGUE = builtin_catalogue()
ASKED: Mapping[str, tuple[str, ...]] = {
    "mrr": ("", "segment", "product"),
    "expansion_mrr": ("", "segment"),
    "currency_effect_mrr": ("",),
    "churned_customers": ("", "cancel_reason"),
    "net_revenue_retention": ("", "segment"),
    "lead_count": ("", "direction"),
    "activation_rate": ("",),
    "win_rate": ("", "owner_id"),
    "sales_cycle_days": ("",),
}
"""Metrics of every kind - sums, balances, distinct counts, windows, spreads - and dimensions of each."""

Values = dict[tuple[object, ...], object]


def world_of(seed: int) -> World:
    """Accounts, subscriptions, leads and deals in one company."""
    return {**sales_world(seed), **subscription_world(seed)}


def results(world: World, seed: int, recall: Recall | None) -> tuple[Values, list[Step]]:
    """Every value asked for, and what the engine did for it."""
    warehouse = Warehouse.in_memory()
    with TemporaryDirectory() as folder:
        write_tables(world, Path(folder))
        read_case_tables(Path(folder), warehouse.connection)
    warehouse.connection.execute(f"CREATE TABLE entity_versions ({META_TABLES['entity_versions']})")
    for name in world:
        version = version_of(warehouse.connection, ENTITIES[name], name)
        warehouse.connection.execute("INSERT INTO entity_versions VALUES (?, ?, ?)", [name, *version])
    warehouse = Warehouse.over(warehouse.connection)
    if recall is not None:
        warehouse.remember(recall)
        warehouse.frugal = True
    now = date.fromisoformat(now_of(seed))
    evaluation = Evaluation(CATALOGUE, Context(warehouse, Settings(now, REPORTING_CURRENCY)))
    calendar = evaluation.context.calendar
    months = calendar.spine(calendar.shift(calendar.containing(now, "month"), -7).start, now, "month")
    requests = [Request(metric, months, by=(cut,) if cut else ()) for metric, cuts in ASKED.items() for cut in cuts]
    found: Values = {
        (value.metric, value.period.label, tuple(value.dimensions.items())): (value.value, value.reason, value.marks)
        for result in evaluation.results(requests)
        for value in result.values()
    }
    return found, warehouse.journal.steps


@given(seed=st.integers(0, 10_000), changed=st.sampled_from(sorted(world_of(1))))
@settings(max_examples=5)
@pytest.mark.slow
def test_after_a_change_the_values_are_those_of_a_build_from_nothing(seed: int, changed: str) -> None:
    """Whichever entity changes, what is computed anew and what is taken from before agree with everything anew."""
    before = world_of(seed)
    after = {**before, changed: world_of(seed + 1)[changed]}
    with TemporaryDirectory() as folder:
        results(before, seed, Recall(Path(folder)))
        assert results(after, seed, Recall(Path(folder)))[0] == results(after, seed, None)[0]


@pytest.mark.slow
def test_a_change_of_leads_leaves_recurring_revenue_alone(tmp_path: Path) -> None:
    """Tables and answers that do not depend on the changed entity are not computed; those that do, are."""
    before = world_of(3)
    results(before, 3, Recall(tmp_path))
    after = {**before, "leads": before["leads"][:-1]}
    steps = results(after, 3, Recall(tmp_path))[1]
    anew = {metric for step in steps if step.kind == "query" for metric in step.serves}
    assert anew == {"lead_count", "activation_rate"}
    assert not {step.name for step in steps if step.kind == "table"} & {"subscription_rows", "account_days"}


@pytest.mark.slow
def test_the_order_of_the_rows_is_no_change(tmp_path: Path) -> None:
    """The same rows in another order are the same entity, so nothing is computed."""
    before = world_of(4)
    results(before, 4, Recall(tmp_path))
    turned: World = {name: rows[::-1] for name, rows in before.items()}
    steps = results(turned, 4, Recall(tmp_path))[1]
    assert {step.kind for step in steps} == {"recalled"}


@pytest.mark.slow
def test_a_second_build_reads_no_entity_and_publishes_the_same(tmp_path: Path) -> None:
    """Building again over the same load takes every answer from the first build, and readers see the same values."""
    folder = company(tmp_path)
    first = workspace(folder, LATE).build()
    values = published(folder)[1]
    second = workspace(folder, LATE).build()
    assert any(step.kind == "query" for step in first.steps)
    assert {step.kind for step in second.steps} == {"recalled"}
    assert published(folder)[1] == values


@pytest.mark.slow
def test_a_damaged_answer_is_computed_again(tmp_path: Path) -> None:
    """An answer that cannot be read, as after a full disk, is as if it had never been kept."""
    folder = company(tmp_path)
    workspace(folder, LATE).build()
    values = published(folder)[1]
    for path in (folder / ".revgauge" / "answers").glob("*.arrow"):
        path.write_bytes(path.read_bytes()[:100])
    report = workspace(folder, LATE).build()
    assert {step.kind for step in report.steps} > {"query"}
    assert published(folder)[1] == values


@pytest.mark.slow
def test_answers_that_no_build_needs_any_more_are_removed(tmp_path: Path) -> None:
    """The folder of answers holds those of the last build alone, so that it does not grow with every day."""
    folder = company(tmp_path)
    answers = folder / ".revgauge" / "answers"
    workspace(folder, date(2025, 2, 28)).build()
    early = {path.name for path in answers.iterdir()}
    workspace(folder, LATE).build()
    late = {path.name for path in answers.iterdir()}
    workspace(folder, LATE).build()
    assert early - late
    assert {path.name for path in answers.iterdir()} == late


def test_a_kept_table_holds_the_columns_that_are_read_and_no_more() -> None:
    """Of a table with three columns that two foreseen readers use, the third is never written down."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE deals AS SELECT 1 AS a, 'x' AS b, 3 AS c")
    warehouse = Warehouse.over(connection)
    kept = warehouse.keep("kept", warehouse.entity("deals").mutate(d=warehouse.entity("deals").a + 1))
    from revgauge.catalogue.engine import Grouping

    first = Grouping.of(kept, {"b": kept.b}, [()], {"total": kept.d.sum()})
    second = Grouping.of(kept.filter(kept.a > 0), {"b": kept.b}, [()], {"total": kept.d.max()})
    warehouse.foresee([first, second])
    assert warehouse.grouped(first).to_pylist() == [{"b": "x", "total": 2}]
    assert warehouse.grouped(second).to_pylist() == [{"b": "x", "total": 2}]
    (table,) = [step for step in warehouse.journal.steps if step.kind == "table"]
    assert set(table.columns) == {"a", "b", "d"}
    assert warehouse.fetch(kept.select("c")).to_pylist() == [{"c": 3}], "whoever was not foreseen gets it all the same"
